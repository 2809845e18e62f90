import type pg from 'pg'
import { ImportError } from './error.ts'

/** The columns of the source's tables: every version of GoTrue, and every service that grew out of it, has its own. */
export interface Tables {
  users: Set<string>
  /** Undefined: there is no such table. */
  identities: Set<string> | undefined
}

export async function describeTables(client: pg.Client): Promise<Tables> {
  const { rows } = await client.query<{ table: string; columns: string[] }>(
    `select t.name as table, array_agg(a.attname::text) as columns
     from (values ('users'), ('identities')) as t (name)
     join pg_catalog.pg_attribute a on a.attrelid = to_regclass('auth.' || t.name) and a.attnum > 0 and not a.attisdropped
     group by t.name`,
  )
  const columnsOf = (table: string) => {
    const found = rows.find(row => row.table === table)
    return found && new Set(found.columns)
  }
  const users = columnsOf('users')
  if (!users)
    throw new ImportError(
      'The database of --from has no table auth.users: it is not that of MemFire or Supabase',
    )
  if (!users.has('id') || !users.has('raw_user_meta_data'))
    throw new ImportError(
      'The auth.users of the database of --from is not a GoTrue table: it has no column id or raw_user_meta_data',
    )
  return { users, identities: columnsOf('identities') }
}

/** Selects all users with their identities. Times come as text, which keeps their microseconds. */
export function databaseQuery({ users, identities }: Tables): string {
  const u = (name: string, as: (column: string) => string) =>
    `${users.has(name) ? as(`u.${name}`) : 'null'} as ${name}`
  const text = (column: string) => `nullif(btrim(${column}::text), '')`
  const json = (column: string) => `${column}::jsonb::text`
  const flag = (name: string, column: string, as = column) =>
    `${users.has(column) ? `coalesce(${as}, false)` : 'false'} as ${name}`
  return `select u.id::text as id,
    ${['phone', 'wechat_id', 'wechat_unionid'].map(name => u(name, text))},
    ${['phone_confirmed_at', 'created_at', 'updated_at', 'last_sign_in_at', 'banned_until'].map(name => u(name, text))},
    ${users.has('raw_app_meta_data') ? json('u.raw_app_meta_data') : 'null'} as app_metadata,
    ${json('u.raw_user_meta_data')} as user_metadata,
    ${flag('is_deleted', 'deleted_at', 'u.deleted_at is not null')},
    ${flag('is_sso', 'is_sso_user')}, ${flag('is_anonymous', 'is_anonymous')},
    coalesce(i.list, '[]'::json) as identities
  from auth.users u left join (${identitiesQuery(identities)}) i on i.user_id = u.id`
}

/** One join for all, as some sources have no index on the user of an identity. */
function identitiesQuery(columns: Tables['identities']): string {
  if (!columns) return 'select null::uuid as user_id, null::json as list where false'
  const time = (name: string) => (columns.has(name) ? name : 'null')
  // Before 2023 the provider's id was called id, and was the primary key with the provider.
  const id = columns.has('provider_id') ? 'provider_id' : 'id'
  return `select user_id, json_agg(json_build_object('provider', provider,
      'id', case when provider = 'wechat_mini' then ${id}::text end,
      'data', case when provider = 'wechat_mini' then identity_data end,
      'created_at', ${time('created_at')}, 'updated_at', ${time('updated_at')},
      'last_sign_in_at', ${time('last_sign_in_at')}) order by ${time('created_at')}, ${id}) as list
    from auth.identities group by user_id`
}
