import type pg from 'pg'
import { commentSql, SCHEMAS } from './schemas.ts'

// What of a table names other tables and functions: it comes when all of these are there.

const COMMAND = `case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end`
const ROLES = `(select string_agg(case r when 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, ', ' order by pg_get_userbyid(r))
  from unnest(p.polroles) r)`

const LINKS = `
  select c.oid::regclass::text as name, l.statements
  from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = any ($1), lateral (
    select 1 as section, k.conname as part, array[
      format('alter table %s add constraint %I %s;', c.oid::regclass, k.conname, pg_get_constraintdef(k.oid)),
      ${commentSql(`'constraint ' || quote_ident(k.conname) || ' on ' || c.oid::regclass`, 'k.oid', 'pg_constraint')}
    ] as statements
    from pg_constraint k where k.conrelid = c.oid and (k.contype = 'f' or k.contype = 'c' and not k.convalidated)
    union all
    select 2, t.tgname, array[
      pg_get_triggerdef(t.oid) || ';',
      case t.tgenabled when 'O' then null else format('alter table %s %s trigger %I;', c.oid::regclass,
        case t.tgenabled when 'D' then 'disable' when 'A' then 'enable always' else 'enable replica' end, t.tgname) end,
      ${commentSql(`'trigger ' || quote_ident(t.tgname) || ' on ' || c.oid::regclass`, 't.oid', 'pg_trigger')}
    ]
    from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal
    union all
    select 3, p.polname, array[
      concat_ws(E'\\n  ',
        concat_ws(' ', 'create policy', quote_ident(p.polname), 'on', c.oid::regclass,
          case when not p.polpermissive then 'as restrictive' end, 'for', ${COMMAND}, 'to', ${ROLES}),
        'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') || ';',
      ${commentSql(`'policy ' || quote_ident(p.polname) || ' on ' || c.oid::regclass`, 'p.oid', 'pg_policy')}
    ]
    from pg_policy p where p.polrelid = c.oid
  ) l
  order by n.nspname, c.relname, l.section, l.part`

/** Foreign keys, triggers and policies, by the table's name. */
export async function readLinks(client: pg.ClientBase): Promise<Map<string, string[]>> {
  const { rows } = await client.query<{ name: string; statements: (string | null)[] }>(LINKS, [SCHEMAS])
  const byTable = Map.groupBy(rows, ({ name }) => name)
  return new Map(
    [...byTable].map(([name, links]) => [
      name,
      links.flatMap(({ statements }) => statements.filter(statement => statement !== null)),
    ]),
  )
}
