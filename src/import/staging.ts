import type pg from 'pg'
import type { StagedUser } from './users.ts'

/**
 * All users of the source, in temporary tables of the target: there they are compared with each other and with those who
 * are here, and nothing has to be kept in memory. The tables go with the connection, however it ends.
 *
 * state: new → written (imported), or overtaken by somebody else's write; here: imported before; conflict.
 */
export const createStaging = (client: pg.Client) =>
  client.query(`
    create temporary table import_users (
      n bigint primary key, line integer, id uuid, state text not null default 'new',
      phone text, phone_confirmed_at timestamptz, wechat_id text, wechat_unionid text,
      app_metadata jsonb, user_metadata jsonb,
      created_at timestamptz, updated_at timestamptz, last_sign_in_at timestamptz, banned_until timestamptz
    ) with (fillfactor = 50);
    create temporary table import_identities (
      n bigint not null, appid text not null, openid text not null, unionid text,
      created_at timestamptz, updated_at timestamptz, last_sign_in_at timestamptz
    );
    create temporary table import_conflicts (
      seq bigint generated always as identity primary key,
      n bigint not null, line integer, id uuid, kind text not null, value text
    )`)

/** When all users are there: nobody else analyzes a temporary table. */
export const analyzeStaging = (client: pg.Client) =>
  client.query(
    'analyze pg_temp.import_users; analyze pg_temp.import_identities; analyze pg_temp.import_conflicts',
  )

export const indexStaging = (client: pg.Client) =>
  client.query(`
    create index on pg_temp.import_users (id);
    create index on pg_temp.import_users (phone) where phone is not null;
    create index on pg_temp.import_users (wechat_unionid) where wechat_unionid is not null;
    create index on pg_temp.import_identities (n);
    create index on pg_temp.import_identities (openid, appid)`)

const STAGE = `
  with users as (
    insert into pg_temp.import_users
    select n, line, id, 'new', phone, phone_confirmed_at, wechat_id, wechat_unionid,
           app_metadata::jsonb, user_metadata::jsonb, created_at, updated_at, last_sign_in_at, banned_until
    from jsonb_to_recordset($1) as r (
      n bigint, line integer, id uuid, phone text, phone_confirmed_at timestamptz, wechat_id text, wechat_unionid text,
      app_metadata text, user_metadata text, created_at timestamptz, updated_at timestamptz,
      last_sign_in_at timestamptz, banned_until timestamptz)
  ), identities as (
    insert into pg_temp.import_identities
    select n, appid, openid, unionid, created_at, updated_at, last_sign_in_at
    from jsonb_to_recordset($2) as r (
      n bigint, appid text, openid text, unionid text,
      created_at timestamptz, updated_at timestamptz, last_sign_in_at timestamptz)
  )
  insert into pg_temp.import_conflicts (n, line, id, kind, value)
  select n, line, id, kind, value
  from jsonb_to_recordset($3) as r (n bigint, line integer, id uuid, kind text, value text)`

/** Puts users there. Whoever has a value that PostgreSQL cannot keep is found by halves, and is a conflict. */
export async function stage(client: pg.Client, users: StagedUser[]): Promise<void> {
  if (users.length === 0) return
  try {
    await client.query({
      name: 'stage',
      text: STAGE,
      values: toRows(users).map(rows => JSON.stringify(rows)),
    })
  } catch (error) {
    if (!isAboutValues(error)) throw error
    await (users.length > 1 ? stageHalves(client, users) : stage(client, users.map(withoutValues)))
  }
}

async function stageHalves(client: pg.Client, users: StagedUser[]): Promise<void> {
  const half = Math.ceil(users.length / 2)
  await stage(client, users.slice(0, half))
  await stage(client, users.slice(half))
}

const toRows = (users: StagedUser[]) => [
  users.map(({ identities, conflicts, ...user }) => user),
  users.flatMap(({ n, identities }) => identities.map(identity => ({ n, ...identity }))),
  users.flatMap(({ n, line, id, conflicts }) => conflicts.map(conflict => ({ n, line, id, ...conflict }))),
]

/** Class 22: a value is of another form, or out of range; 54: too long, too deep, or all together too much, as for a string. */
const isAboutValues = (error: unknown) =>
  /^(22|54)/.test(String((error as { code?: unknown }).code)) || error instanceof RangeError

const withoutValues = ({ n, line, id }: StagedUser): StagedUser => ({
  n,
  line,
  id,
  phone: null,
  wechat_id: null,
  wechat_unionid: null,
  identities: [],
  app_metadata: null,
  user_metadata: null,
  created_at: null,
  updated_at: null,
  last_sign_in_at: null,
  banned_until: null,
  conflicts: [{ kind: 'ill_formed', value: 'the row' }],
})
