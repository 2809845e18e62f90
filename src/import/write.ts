import pRetry from 'p-retry'
import type pg from 'pg'
import { ImportError } from './error.ts'

// The service goes on meanwhile. So a batch takes the locks that a sign-in takes, in its order: openids, then unionids;
// nobody can sign up with one of these while it is written, and whoever waits finds his user afterwards. Of everything
// else the unique indexes decide; who lost is left out as a whole.

const IN_BATCH = 's.n > $1 and s.n <= $2'
const USERS = 'pg_temp.import_users s'

const LOCK_OPENIDS = `
  select pg_advisory_xact_lock(k.key) from (
    select hashtextextended('openid:' || i.appid || ':' || i.openid, 0) as key
    from ${USERS} join pg_temp.import_identities i on i.n = s.n where ${IN_BATCH} and s.state = 'new' order by 1 offset 0) k`

const LOCK_UNIONIDS = `
  select pg_advisory_xact_lock(k.key) from (
    select hashtextextended('unionid:' || s.wechat_unionid, 0) as key
    from ${USERS} where ${IN_BATCH} and s.state = 'new' and s.wechat_unionid is not null order by 1 offset 0) k`

const INSERT_USERS = `
  with inserted as (
    insert into auth.users (id, phone, phone_confirmed_at, wechat_id, wechat_unionid, app_metadata, user_metadata,
                            created_at, updated_at, last_sign_in_at, banned_until)
    select s.id, s.phone, case when s.phone is not null then coalesce(s.phone_confirmed_at, now()) end,
      s.wechat_id, s.wechat_unionid,
      case when m.app ?| '{provider,providers}' or s.wechat_id is null then m.app
           else m.app || '{"provider": "wechat_mini", "providers": ["wechat_mini"]}' end,
      coalesce(s.user_metadata, '{}'),
      coalesce(s.created_at, now()), coalesce(s.updated_at, s.created_at, now()), s.last_sign_in_at, s.banned_until
    from ${USERS}, coalesce(s.app_metadata, '{}') as m (app)
    where ${IN_BATCH} and s.state = 'new' order by s.n
    on conflict do nothing
    returning id
  )
  update pg_temp.import_users s set state = 'written' from inserted
  where s.id = inserted.id and ${IN_BATCH} and s.state = 'new'`

const INSERT_IDENTITIES = `
  insert into auth.identities (user_id, provider, appid, provider_id, unionid, created_at, updated_at, last_sign_in_at)
  select s.id, 'wechat_mini', i.appid, i.openid, i.unionid, c.created_at, coalesce(i.updated_at, c.created_at),
    coalesce(i.last_sign_in_at, s.last_sign_in_at)
  from ${USERS} join pg_temp.import_identities i on i.n = s.n,
    coalesce(i.created_at, s.created_at, now()) as c (created_at)
  where ${IN_BATCH} and s.state = 'written' order by s.n
  on conflict do nothing`

/** Whole or not at all: a user whose openid somebody else has got goes again before anybody has seen him. */
const TAKE_BACK = `
  with gone as (
    delete from auth.users u using ${USERS}
    where u.id = s.id and ${IN_BATCH} and s.state = 'written' and exists (
      select from pg_temp.import_identities i where i.n = s.n and not exists (
        select from auth.identities h where h.user_id = s.id and h.provider = 'wechat_mini'
          and h.appid = i.appid and h.provider_id = i.openid))
    returning u.id
  )
  update pg_temp.import_users s set state = 'new' from gone
  where s.id = gone.id and ${IN_BATCH} and s.state = 'written'`

const AUDIT = `
  insert into auth.audit_log_entries (action, user_id, actor, details)
  select 'user_imported', s.id, 'admin:' || session_user, '{"source": "import"}' from ${USERS}
  where ${IN_BATCH} and s.state = 'written' order by s.n`

const SETTLE = `
  update pg_temp.import_users s set state = 'overtaken' where ${IN_BATCH} and s.state = 'new'`

const NEXT = `
  select max(n) as "upTo" from (
    select n from pg_temp.import_users where n > $1 and state = 'new' order by n limit $2) batch`

/** Writes all users that nothing stands in the way of, a batch a transaction. Calls back after each. */
export async function writeUsers(client: pg.Client, batch: number, onBatch: () => void) {
  for (let after = '0'; ; ) {
    const { rows } = await client.query<{ upTo: string | null }>(NEXT, [after, batch])
    const { upTo } = rows[0]!
    if (upTo === null) return
    await writePatiently(client, [after, upTo])
    after = upTo
    onBatch()
  }
}

/** A lock not to be had in time, or a deadlock. */
const isBlocked = (error: unknown) =>
  ['55P03', '40P01', '40001'].includes((error as { code?: string }).code ?? '')

const writePatiently = (client: pg.Client, range: string[]) =>
  pRetry(() => writeBatch(client, range), {
    retries: 20,
    factor: 1.5,
    minTimeout: 100,
    maxTimeout: 3_000,
    shouldRetry: ({ error }) => isBlocked(error),
  }).catch(error => {
    if (!isBlocked(error)) throw error
    throw new ImportError(
      'Somebody keeps a lock on auth.users or auth.identities. What was written is complete: run the import again.',
      { cause: error },
    )
  })

async function writeBatch(client: pg.Client, range: string[]): Promise<void> {
  await client.query('begin')
  try {
    // Shorter than deadlock_timeout: where the service and we wait for each other, it is we who give way.
    await client.query(`set local lock_timeout = '500ms'`)
    for (const text of [
      LOCK_OPENIDS,
      LOCK_UNIONIDS,
      INSERT_USERS,
      INSERT_IDENTITIES,
      TAKE_BACK,
      AUDIT,
      SETTLE,
    ])
      await client.query(text, range)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}
