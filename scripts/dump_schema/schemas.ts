/** What is dumped. */
export const SCHEMAS = ['auth', 'auth_private']

/** A statement `comment on …`; null where there is no comment. `oid` and `catalog` are SQL. */
export const commentSql = (target: string, oid: string, catalog: string) =>
  `'comment on ' || ${target} || ' is ' || quote_literal(obj_description(${oid}, '${catalog}')) || ';'`

/** Something that is created by a statement of its own. */
export interface Thing {
  /** The first letter of its catalogue's kind, and its oid. */
  id: string
  /** As comments and grants call it: `table auth.users`. */
  target: string
  owner: string
  /** What creates it, and what belongs to it; without grants and owner. */
  statements: string[]
}
