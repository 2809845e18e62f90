import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'
import { claim, freshPhone, signIn, write } from './calls.ts'

// One code, and several who want it at once or too late, at the level of SQL.

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let web: pg.Pool

  beforeAll(async () => {
    db = await createDatabase({ server })
    web = new pg.Pool({ connectionString: db.webUrl, max: 20 })
  })
  afterAll(async () => {
    await web.end()
    await db.drop()
  })

  describe('while the row is waited for', () => {
    test.each<[string, string, string]>([
      ['banned', `update auth.users set banned_until = 'infinity' where id = $1`, 'WX004'],
      ['deleted', 'update auth.users set deleted_at = now() where id = $1', 'WX003'],
      ['deleted for good', 'delete from auth.users where id = $1', 'WX003'],
      ['signed out', 'delete from auth.sessions where user_id = $1', 'WX003'],
    ])('a user who is %s gets no phone', async (_case, change, sqlstate) => {
      const person = await signIn(web)
      const [code, claimId] = [randomBytes(32), randomUUID()]
      await claim(web, person, code, claimId)
      const client = await db.owner.connect()
      try {
        await client.query('begin')
        await client.query(change, [person.userId])
        const writing = write(web, person, code, claimId, 'phone', freshPhone())
        const claiming = claim(web, person, randomBytes(32), randomUUID())
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
    const [late, quick] = [await signIn(web), await signIn(web)]
    const code = randomBytes(32)
    const [first, second] = [randomUUID(), randomUUID()]
    expect(await claim(web, late, code, first, 1)).toMatchObject({ state: 'claimed' })
    await db.row('select pg_sleep(0.05)')
    expect(await claim(web, quick, code, second)).toMatchObject({ state: 'claimed' })
    const phone = freshPhone()
    expect(await write(web, quick, code, second, 'phone', phone)).toMatchObject({
      state: 'done',
      outcome: 'bound',
    })
    expect(await write(web, late, code, first, 'phone', phone)).toMatchObject({
      state: 'done',
      outcome: 'wechat_code_used',
    })
    expect(await write(web, late, code, first, 'wechat_code_invalid')).toMatchObject({
      outcome: 'wechat_code_used',
    })
  })

  test('a late claimant without the phone waits for the one who asks now', async () => {
    const person = await signIn(web)
    const code = randomBytes(32)
    const [first, second] = [randomUUID(), randomUUID()]
    await claim(web, person, code, first, 1)
    await db.row('select pg_sleep(0.05)')
    expect(await claim(web, person, code, second)).toMatchObject({ state: 'claimed' })
    expect(await write(web, person, code, first, 'wechat_code_invalid')).toMatchObject({ state: 'pending' })
    expect(await write(web, person, code, second, 'phone', freshPhone())).toMatchObject({ outcome: 'bound' })
  })

  test('taps that are repeated while the first is being written all hear that it is bound', async () => {
    for (let round = 0; round < 30; round++) {
      const person = await signIn(web)
      const [code, claimId] = [randomBytes(32), randomUUID()]
      await claim(web, person, code, claimId)
      const replays = Promise.all(Array.from({ length: 12 }, () => claim(web, person, code, randomUUID())))
      const [written, ...answers] = await Promise.all([
        write(web, person, code, claimId, 'phone', freshPhone()),
        replays,
      ])
      expect(written).toMatchObject({ outcome: 'bound' })
      for (const { state, outcome } of answers.flat())
        expect(state === 'pending' || outcome === 'bound').toBe(true)
    }
  })

  test('a phone of 15 digits is bound, and masked in the audit log', async () => {
    const person = await signIn(web)
    const [code, claimId] = [randomBytes(32), randomUUID()]
    await claim(web, person, code, claimId)
    expect(await write(web, person, code, claimId, 'phone', '+491234567890123')).toMatchObject({
      outcome: 'bound',
    })
    expect(
      await db.row(
        `select details ->> 'phone' as phone from auth.audit_log_entries where user_id = $1 and action = 'phone_bound'`,
        [person.userId],
      ),
    ).toEqual({ phone: '+49123****0123' })
  })
})
