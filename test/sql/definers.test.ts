import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { createDatabase, type TestDatabase } from '../support/database.ts'

// What the definers let through, at the level of SQL: whatever calls them, and whatever is wrong inside them.

const APP = 'wx1111111111111111'

let db: TestDatabase
let web: pg.Pool

beforeAll(async () => {
  db = await createDatabase()
  web = new pg.Pool({ connectionString: db.webUrl, max: 4 })
})
afterAll(async () => {
  await web.end()
  await db.drop()
})

interface Person {
  userId: string
  sessionId: string
}

const signIn = async (openid: string = randomUUID(), unionid: string | null = null): Promise<Person> => {
  const { rows } = await web.query('select * from auth_private.wechat_sign_in($1, $2, $3)', [
    APP,
    openid,
    unionid,
  ])
  return { userId: rows[0].user_json.id, sessionId: rows[0].session_id }
}
const claim = async (person: Person, code: Buffer, claimId: string, leaseMs = 10_000) =>
  (
    await web.query('select * from auth_private.wechat_claim_code($1, $2, $3, $4, $5)', [
      person.sessionId,
      [code],
      APP,
      claimId,
      leaseMs,
    ])
  ).rows[0]
const write = async (
  person: Person,
  code: Buffer,
  claimId: string,
  verdict: string,
  phone: string | null = null,
) =>
  (
    await web.query('select * from auth_private.wechat_bind_phone($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
      person.sessionId,
      [code],
      claimId,
      APP,
      verdict,
      phone,
      phone && {},
      verdict === 'wechat_code_invalid' ? 40029 : null,
      null,
    ])
  ).rows[0]
let lastPhone = 18_800_000_000
const freshPhone = () => `+86${++lastPhone}`

/** Runs as the owner in a transaction that is rolled back. */
async function experiment<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await db.owner.connect()
  try {
    await client.query('begin')
    return await work(client)
  } finally {
    await client.query('rollback')
    client.release()
  }
}

/** Replaces a piece of a function's body for the rest of the transaction, and fails where the piece is gone. */
async function breakFunction(client: pg.PoolClient, name: string, piece: string, replacement = '') {
  const { rows } = await client.query<{ text: string }>('select pg_get_functiondef($1::regproc) as text', [
    name,
  ])
  expect(rows[0]!.text).toContain(piece)
  await client.query(rows[0]!.text.replace(piece, replacement))
}

describe('row-level security holds inside the definers', () => {
  test('a bind that forgot its where clause changes one row, that of the session', async () => {
    const [caller] = await Promise.all([signIn(), signIn(), signIn()])
    await experiment(async client => {
      await breakFunction(client, 'auth_private.wechat_bind_phone', 'where u.id = v_user.id\n')
      const phone = freshPhone()
      const { rows } = await client.query(
        `select outcome from auth_private.wechat_bind_phone($1, $2, $3, $4, 'phone', $5, '{}', null, null)`,
        [caller!.sessionId, [randomBytes(32)], randomUUID(), APP, phone],
      )
      expect(rows).toEqual([{ outcome: 'bound' }])
      const changed = await client.query('select id from auth.users where phone = $1', [phone])
      expect(changed.rows).toEqual([{ id: caller!.userId }])
    })
  })

  test('a sign-out that forgot its where clause ends the sessions of its own user alone', async () => {
    const [caller, other] = await Promise.all([signIn(), signIn()])
    await experiment(async client => {
      await breakFunction(client, 'auth_private.sign_out', 's.user_id = v_user.id\n    and', '')
      await client.query(`select auth_private.sign_out($1, 'global')`, [caller!.sessionId])
      const left = await client.query('select user_id from auth.sessions where user_id = any ($1)', [
        [caller!.userId, other!.userId],
      ])
      expect(left.rows).toEqual([{ user_id: other!.userId }])
    })
  })

  test.each([
    [
      'an identity for a stranger',
      `insert into auth.identities (user_id, appid, provider_id) values ($1, $2, 'evil')`,
    ],
    [
      'a session for a stranger',
      'insert into auth.sessions (user_id) select $1::uuid where $2::text is not null',
    ],
    [
      'an event about a stranger',
      `insert into auth_private.events (type, user_id) select 'user.created', $1::uuid where $2::text is not null`,
    ],
  ])('signing in cannot write %s', async (_case, statement) => {
    const stranger = await signIn()
    await experiment(async client => {
      await client.query(`select set_config('request.wechat', $1, true)`, [
        JSON.stringify({ appid: APP, openid: 'evil' }),
      ])
      await client.query('set local role auth_signer')
      await expect(client.query(statement, [stranger.userId, APP])).rejects.toMatchObject({ code: '42501' })
    })
  })
})

test('a type of pg_temp does not run code as a duty', async () => {
  const victim = await signIn()
  const client = await db.owner.connect()
  try {
    await client.query('begin')
    await client.query(`
      create function pg_temp.grab() returns boolean language plpgsql as $$ begin
        if current_user = 'auth_steward' then raise exception 'ran as auth_steward'; end if; return true; end $$;
      create domain pg_temp.text as pg_catalog.text check (pg_temp.grab());
    `)
    const { rows } = await client.query(
      `select id from auth.admin_unbind_phone($1, 'a reason'::pg_catalog.text)`,
      [victim.userId],
    )
    expect(rows).toEqual([{ id: victim.userId }])
  } finally {
    await client.query('rollback')
    client.release()
  }
})

describe('while the row is waited for', () => {
  test.each<[string, string, string]>([
    ['banned', `update auth.users set banned_until = 'infinity' where id = $1`, 'WX004'],
    ['deleted', 'update auth.users set deleted_at = now() where id = $1', 'WX003'],
    ['deleted for good', 'delete from auth.users where id = $1', 'WX003'],
    ['signed out', 'delete from auth.sessions where user_id = $1', 'WX003'],
  ])('a user who is %s gets no phone', async (_case, change, sqlstate) => {
    const person = await signIn()
    const [code, claimId] = [randomBytes(32), randomUUID()]
    await claim(person, code, claimId)
    const client = await db.owner.connect()
    try {
      await client.query('begin')
      await client.query(change, [person.userId])
      const writing = write(person, code, claimId, 'phone', freshPhone())
      const claiming = claim(person, randomBytes(32), randomUUID())
      const outcomes = Promise.allSettled([writing, claiming])
      // Both wait for this transaction, or at least the writer does; then it commits.
      await db.row('select pg_sleep(0.2)')
      await client.query('commit')
      const [written, claimed] = await outcomes
      expect(written).toMatchObject({ status: 'rejected', reason: { code: sqlstate } })
      if (claimed!.status === 'rejected') expect(claimed!.reason).toMatchObject({ code: sqlstate })
    } finally {
      client.release()
    }
  })
})

test('a late claimant learns that another user redeemed the code', async () => {
  const [late, quick] = [await signIn(), await signIn()]
  const code = randomBytes(32)
  const [first, second] = [randomUUID(), randomUUID()]
  expect(await claim(late, code, first, 1)).toMatchObject({ state: 'claimed' })
  await db.row('select pg_sleep(0.05)')
  expect(await claim(quick, code, second)).toMatchObject({ state: 'claimed' })
  const phone = freshPhone()
  expect(await write(quick, code, second, 'phone', phone)).toMatchObject({ state: 'done', outcome: 'bound' })
  expect(await write(late, code, first, 'phone', phone)).toMatchObject({
    state: 'done',
    outcome: 'wechat_code_used',
  })
  expect(await write(late, code, first, 'wechat_code_invalid')).toMatchObject({ outcome: 'wechat_code_used' })
})

test('a late claimant without the phone waits for the one who asks now', async () => {
  const person = await signIn()
  const code = randomBytes(32)
  const [first, second] = [randomUUID(), randomUUID()]
  await claim(person, code, first, 1)
  await db.row('select pg_sleep(0.05)')
  expect(await claim(person, code, second)).toMatchObject({ state: 'claimed' })
  expect(await write(person, code, first, 'wechat_code_invalid')).toMatchObject({ state: 'pending' })
  expect(await write(person, code, second, 'phone', freshPhone())).toMatchObject({ outcome: 'bound' })
})

test('taps that are repeated while the first is being written all hear that it is bound', async () => {
  for (let round = 0; round < 30; round++) {
    const person = await signIn()
    const [code, claimId] = [randomBytes(32), randomUUID()]
    await claim(person, code, claimId)
    const replays = Promise.all(Array.from({ length: 12 }, () => claim(person, code, randomUUID())))
    const [written, ...answers] = await Promise.all([
      write(person, code, claimId, 'phone', freshPhone()),
      replays,
    ])
    expect(written).toMatchObject({ outcome: 'bound' })
    for (const { state, outcome } of answers.flat())
      expect(state === 'pending' || outcome === 'bound').toBe(true)
  }
})

test('a phone of 15 digits is bound, and masked in the audit log', async () => {
  const person = await signIn()
  const [code, claimId] = [randomBytes(32), randomUUID()]
  await claim(person, code, claimId)
  expect(await write(person, code, claimId, 'phone', '+491234567890123')).toMatchObject({ outcome: 'bound' })
  expect(
    await db.row(
      `select details ->> 'phone' as phone from auth.audit_log_entries where user_id = $1 and action = 'phone_bound'`,
      [person.userId],
    ),
  ).toEqual({ phone: '+49123****0123' })
})
