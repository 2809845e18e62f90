import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { APP } from '../sql/calls.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'

// Four people, each with an openid in two apps, do everything with their accounts at once, and administrators interfere. Whatever the
// order: nobody is anybody else, a refusal has a name, and no two wait for each other.

const WORKERS = 6
const OPERATIONS = 60
const OTHER_APP = 'wx2222222222222222'
const apps = [APP, OTHER_APP]
/** One of them without a unionid. */
const people = ['a', 'b', 'c', 'd'].map(name => ({ name, unionid: name === 'd' ? null : `u-${name}` }))

let db: TestDatabase
beforeAll(async () => {
  db = await createDatabase()
})
afterAll(() => db.drop())

const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!

interface Answer {
  session_id?: string
  outcome?: string
  user_json?: { phone: string | null; identities: { appid: string; provider_id: string }[] }
}

class Round {
  readonly sessions: string[] = []
  readonly unforeseen: string[] = []
  readonly wrong: unknown[] = []

  /** A session that is open, or was. */
  get session() {
    return pick(this.sessions) ?? randomUUID()
  }

  async run(client: pg.Client | pg.Pool, text: string, values: unknown[]): Promise<Answer> {
    try {
      return (await client.query(text, values)).rows[0] ?? {}
    } catch (error) {
      const { code, message } = error as pg.DatabaseError
      // A merge that would have to wait: the service asks again.
      if (code === '55P03') return this.run(client, text, values)
      if (!code?.startsWith('WX')) this.unforeseen.push(`${code} ${message}: ${text}`)
      return {}
    }
  }

  async step(web: pg.Client) {
    const { name, unionid } = pick(people)
    const appid = pick(apps)
    const openid = `${appid}-${name}`
    const has = ({ user_json: user }: Answer) => {
      const isHis = user?.identities.some(i => i.appid === appid && i.provider_id === openid)
      if (user && !isHis) this.wrong.push({ openid, user })
    }
    const ofSomebody = '(select id from auth.users order by random() limit 1)'
    const operations: [weight: number, () => Promise<unknown>][] = [
      [
        8,
        async () => {
          const text = 'select * from auth_private.wechat_sign_in($1, $2, $3, $4)'
          const answer = await this.run(web, text, [appid, openid, unionid, Math.random() < 0.3])
          if (answer.session_id) this.sessions.push(answer.session_id)
          has(answer)
        },
      ],
      [
        3,
        async () => {
          const text = 'select auth_private.wechat_bind_account($1, $2, $3, $4) as user_json'
          has(await this.run(web, text, [this.session, appid, openid, unionid]))
        },
      ],
      [
        3,
        async () => {
          const session = this.session
          const [mine] = await db.rows<{ id: string }>(
            'select i.id from auth.identities i join auth.sessions s using (user_id) where s.id = $1 order by random()',
            [session],
          )
          const id = mine?.id ?? randomUUID()
          await this.run(web, 'select auth_private.unlink_identity($1, $2) as user_json', [session, id])
        },
      ],
      [
        2,
        async () => {
          const phone = `+861380013800${pick([1, 2, 3])}`
          const answer = await this.run(
            web,
            `select * from auth_private.wechat_bind_phone($1, $2, $3, $4, 'phone', $5, '{}', null, null, true)`,
            [this.session, [randomBytes(32)], randomUUID(), appid, phone],
          )
          if (answer.outcome === 'bound' && answer.user_json?.phone !== phone) this.wrong.push(answer)
        },
      ],
      [1, () => this.run(web, 'select auth_private.delete_user($1)', [this.session])],
      [
        1,
        () =>
          this.run(web, 'select auth_private.sign_out($1, $2)', [
            this.session,
            pick(['global', 'local', 'others']),
          ]),
      ],
      [
        1,
        () => this.run(web, 'select * from auth_private.refresh_session($1, 0, null, null)', [this.session]),
      ],
      [
        1,
        () =>
          this.run(
            db.owner,
            `select auth.admin_ban_user(${ofSomebody}, now() + interval '20 ms', 'a reason')`,
            [],
          ),
      ],
      [
        1,
        () =>
          this.run(db.owner, `select auth.admin_delete_user(${ofSomebody}, 'a reason', $1)`, [
            Math.random() < 0.5,
          ]),
      ],
    ]
    await pick(operations.flatMap(([weight, operation]) => Array(weight).fill(operation)))()
  }
}

test.each(everyRound)('whatever people do with their accounts at once, each stays himself (%d)', async () => {
  const round = new Round()
  const work = Array.from({ length: WORKERS }, async () => {
    const web = new pg.Client({ connectionString: db.webUrl })
    await web.connect()
    for (let count = 0; count < OPERATIONS; count += 1) await round.step(web)
    await web.end()
  })
  await Promise.all(work)
  expect(round.unforeseen).toEqual([])
  expect(round.wrong).toEqual([])

  const { rows } = await db.owner.query(`
    select 'lives, and nobody can sign in' as what, u.id from auth.users u
      where u.deleted_at is null and u.merged_into is null
        and not exists (select from auth.identities i where i.user_id = u.id)
    union all select 'is called by an openid that is not his', u.id from auth.users u
      where u.deleted_at is null and u.merged_into is null
        and not exists (select from auth.identities i where i.user_id = u.id and i.provider_id = u.wechat_id)
    union all select 'is merged, and something of him is left', u.id from auth.users u
      where u.merged_into is not null and (
        num_nonnulls(u.phone, u.phone_raw, u.wechat_id, u.wechat_unionid) > 0
        or exists (select from auth.sessions s where s.user_id = u.id)
        or exists (select from auth.identities i where i.user_id = u.id))
    union all select 'is deleted, and something of him is left', u.id from auth.users u
      where u.deleted_at is not null and (
        num_nonnulls(u.phone, u.phone_raw, u.wechat_id, u.wechat_unionid) > 0
        or exists (select from auth.sessions s where s.user_id = u.id)
        or exists (select from auth.identities i where i.user_id = u.id and (i.provider_id <> 'deleted-' || i.id or i.unionid is not null)))`)
  expect(rows).toEqual([])
})
