import fc from 'fast-check'
import { SIMULATOR_APP_ID } from '../../src/simulator/app_id.ts'
import type { AuthEvent } from '../../src/tasks/auth_event.ts'
import { startWorker, type Worker } from '../../src/tasks/worker.ts'
import { PUSH_ENV, send as push, revocation } from '../push/harness.ts'
import { bindEntrances, graphql, loginCode, phoneCode, post, send } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordedLog } from '../support/leaks.ts'
import { ROUNDS } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { until } from '../tasks/harness.ts'

// Random lives: people with an openid in two apps and four phones between them sign in, bind, send codes again, unbind, link,
// delete themselves, take back what they gave, and administrators interfere; several at once, over three nodes. Whatever came of
// it, some things hold, and a subscriber hears everything.

const OTHER_APP = 'wx2222222222222222'
const apps = { [SIMULATOR_APP_ID]: 'a secret of the tests', [OTHER_APP]: 'another secret' }
const appids = Object.keys(apps)
const PEOPLE = 3
const PHONES = ['13900000001', '13900000002', '13900000003', '13900000004']

let db: TestDatabase
let simulator: TestSimulator
let nodes: Node[]
let worker: Worker
/** What the subscriber was told, in that order; now and then it fails. */
const heard: AuthEvent[] = []

beforeAll(async () => {
  db = await createDatabase()
  await db.owner.query(`
    create table public.notes (id int generated always as identity primary key, user_id uuid references auth.users on delete cascade, body text);
    create index on public.notes (user_id);
    select auth.admin_register_owned_table('public.notes', 'user_id', 'move');
    create table public.profiles (user_id uuid primary key references auth.users on delete cascade, name text);
    select auth.admin_register_owned_table('public.profiles', 'user_id', 'keep')`)
  simulator = await startSimulator({ apps })
  nodes = await Promise.all(
    ['merge', 'merge', 'reject'].map(PHONE_CONFLICT =>
      startNode({
        db,
        wechatUrl: simulator.url,
        env: {
          PHONE_CONFLICT,
          ...PUSH_ENV,
          ACCOUNT_DELETION: 'on',
          WECHAT_APP_ID: SIMULATOR_APP_ID,
          WECHAT_APP_SECRET: apps[SIMULATOR_APP_ID],
          WECHAT_APPS: JSON.stringify({ [OTHER_APP]: apps[OTHER_APP] }),
        },
      }),
    ),
  )
  worker = await startWorker({
    ownerUrl: db.ownerUrl,
    log: recordedLog(),
    pace: { schedule: Array(20).fill(0.05) },
    tasks: {
      auth_event(event: AuthEvent) {
        if (Math.random() < 0.1) throw new Error('not now')
        heard.push(event)
      },
    },
  })
})
afterAll(async () => {
  await worker.stop()
  await Promise.all(nodes.map(node => node.close()))
  await simulator.close()
  await db.drop()
})

interface Session {
  token: string
  refreshToken: string
  appid: string
}

/** What people and administrators do, as data, so that fast-check can make it smaller. */
const Step = fc.record({
  what: fc.oneof(
    { weight: 5, arbitrary: fc.constant('sign in' as const) },
    { weight: 5, arbitrary: fc.constant('bind' as const) },
    ...(
      [
        ...[
          'replay',
          'unbind',
          'link',
          'unlink',
          'note',
          'profile',
          'refresh',
          'sign out',
          'delete',
          'revoke',
          'cancel',
        ],
        ...['admin merge', 'admin bind', 'admin unbind', 'admin reassign', 'admin delete', 'admin ban'],
      ] as const
    ).map(what => ({ weight: 1, arbitrary: fc.constant(what) })),
  ),
  person: fc.nat(PEOPLE - 1),
  app: fc.nat(1),
  phone: fc.nat(PHONES.length - 1),
  node: fc.nat(2),
  entrance: fc.nat(2),
  dice: fc.nat(1_000),
})
type Step = ReturnType<typeof Step.generate>['value']

/** One run: what was done and acknowledged. */
class World {
  readonly sessions: Session[] = []
  readonly codes: { code: string; appid: string; phone: string }[] = []
  readonly boundCodes: { phone: string; userId: string }[] = []
  readonly unforeseen: unknown[] = []
  readonly run: number

  constructor(run: number) {
    this.run = run
  }

  openid = (person: number, app: number) => `o-${this.run}-${person}-${app}`
  unionid = (person: number) => `u-${this.run}-${person}`

  /** What was answered; anything but a refusal of the catalogue is noted. */
  note({
    status,
    body,
  }: {
    status: number
    body: { error_code?: string; errors?: { extensions?: { code?: string } }[] }
  }) {
    const code = body?.error_code ?? body?.errors?.[0]?.extensions?.code
    if (status >= 500 || code === 'unexpected_failure') this.unforeseen.push({ status, code, body })
  }

  async admin(text: string, values: unknown[]) {
    try {
      await db.rows(text, values)
    } catch (error) {
      const { code, message } = error as { code: string; message: string }
      if (!code?.startsWith('WX')) this.unforeseen.push({ code, message, text })
    }
  }

  async step({ what, person, app, phone, node: at, entrance, dice }: Step): Promise<void> {
    const node = nodes[at]!
    const appid = appids[app]!
    const header = { 'x-wechat-appid': appid }
    const session = this.sessions[dice % Math.max(this.sessions.length, 1)]
    const number = PHONES[phone]!
    const somebody = '(select id from auth.users order by md5(id::text || $1::text) limit 1)'
    const put = (path: string, body: object, method = 'POST') =>
      send(`${node.url}/auth/v1${path}`, {
        method,
        token: session!.token,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })

    if (what === 'sign in') {
      const told = dice % 3 > 0 ? { unionid: this.unionid(person) } : {}
      const code = await loginCode(simulator, this.openid(person, app), { appid, ...told })
      const answer = await post(`${node.url}/auth/v1/wechat_mini/login`, { code }, undefined, header)
      this.note(answer)
      const { access_token: token, refresh_token: refreshToken } = answer.body
      if (answer.status === 200) this.sessions.push({ token, refreshToken, appid })
      return
    }
    if (what.startsWith('admin')) {
      const calls: Record<string, [string, unknown[]]> = {
        'admin merge': [
          `select auth.admin_merge_users(${somebody}, (select id from auth.users order by md5(id::text || $2::text) limit 1), 'x')`,
          [dice, dice + 1],
        ],
        'admin bind': [`select auth.admin_bind_phone(${somebody}, $2, 'x')`, [dice, `+86${number}`]],
        'admin unbind': [`select auth.admin_unbind_phone(${somebody}, 'x')`, [dice]],
        'admin reassign': [`select auth.admin_reassign_phone(${somebody}, $2, 'x')`, [dice, `+86${number}`]],
        'admin delete': [`select auth.admin_delete_user(${somebody}, 'x', $2)`, [dice, dice % 2 === 0]],
        'admin ban': [`select auth.admin_ban_user(${somebody}, now() + interval '20 ms', 'x')`, [dice]],
      }
      return this.admin(...calls[what]!)
    }
    if (what === 'revoke' || what === 'cancel') {
      const event = what === 'revoke' ? {} : { Event: 'user_authorization_cancellation' }
      const members = revocation(this.openid(person, app), { AppID: appid, CreateTime: ++pushes, ...event })
      const { status } = await push(node.url, dice % 2 ? 'json' : 'xml', members)
      if (status !== 200) this.unforeseen.push({ what, status })
      return
    }
    if (!session) return
    if (what === 'bind' || what === 'replay') {
      const fresh = {
        code: await phoneCode(simulator, number, { appid: session.appid }),
        appid: session.appid,
        phone: number,
      }
      const sent = what === 'bind' ? fresh : (this.codes[dice % Math.max(this.codes.length, 1)] ?? fresh)
      this.codes.push(sent)
      const bind = Object.values(bindEntrances)[entrance]!
      const outcome = await bind(node, sent.code, session.token, { 'x-wechat-appid': sent.appid })
      if (outcome.status >= 500) this.unforeseen.push(outcome)
      if (outcome.code === undefined) {
        if (outcome.phone !== `+86${sent.phone}`) this.unforeseen.push({ sent, outcome })
        this.boundCodes.push({ phone: sent.phone, userId: outcome.userId! })
      }
      return
    }
    const deeds: Record<string, () => Promise<Parameters<World['note']>[0]>> = {
      unbind: () => put('/wechat_mini/unbind_phone', {}),
      link: async () =>
        post(
          `${node.url}/auth/v1/wechat_mini/bind_account`,
          { code: await loginCode(simulator, this.openid(person, app), { appid }) },
          session.token,
          header,
        ),
      unlink: async () => {
        const { body } = await send(`${node.url}/auth/v1/user`, { token: session.token })
        const id = body.identities?.[0]?.identity_id ?? '00000000-0000-4000-8000-000000000000'
        return put(`/user/identities/${id}`, {}, 'DELETE')
      },
      note: () => this.#own(session, `insert into public.notes (user_id, body) values (auth.uid(), 'x')`),
      profile: () =>
        this.#own(
          session,
          `insert into public.profiles (user_id, name) values (auth.uid(), 'x') on conflict do nothing`,
        ),
      refresh: () =>
        post(`${node.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token: session.refreshToken }),
      'sign out': () => put('/logout?scope=local', {}),
      delete: () =>
        graphql(node, 'mutation { deleteCurrentUser(input: {}) { clientMutationId } }', {}, session.token),
    }
    this.note(await deeds[what]!())
  }

  /** What the application's part of GraphQL does in its transaction, in SQL of the test's. */
  async #own({ token }: Session, text: string) {
    const claims = JSON.parse(atob(token.split('.')[1]!))
    const client = await db.owner.connect()
    try {
      await client.query('begin')
      await client.query(`select set_config('request.jwt.claims', auth_private.request_claims($1), true)`, [
        claims,
      ])
      await client.query(text)
      await client.query('commit')
    } catch (error) {
      await client.query('rollback')
      const { code } = error as { code: string }
      if (!code.startsWith('WX') && code !== '23503') this.unforeseen.push(error)
    } finally {
      client.release()
    }
    return { status: 200, body: {} }
  }
}

/** What holds of the database after any of it. */
const FAULTS = `
  select 'a phone has two living owners' as fault, phone as what from auth.users
    where phone is not null and deleted_at is null and merged_into is null group by phone having count(*) > 1
  union all select 'an openid leads to two users', provider_id from auth.identities
    where provider_id not like 'deleted-%' group by provider, appid, provider_id having count(distinct user_id) > 1
  union all select 'two living users have one unionid', wechat_unionid from auth.users
    where wechat_unionid is not null and deleted_at is null and merged_into is null group by 2 having count(*) > 1
  union all select 'a merged account has something', u.id::text from auth.users u where u.merged_into is not null and (
    num_nonnulls(u.phone, u.phone_raw, u.wechat_id, u.wechat_unionid) > 0
    or exists (select from auth.identities i where i.user_id = u.id)
    or exists (select from auth.sessions s where s.user_id = u.id)
    or exists (select from auth.phone_changes p where p.user_id = u.id)
    or exists (select from auth_private.wechat_codes c where c.user_id = u.id)
    or exists (select from public.notes n where n.user_id = u.id)
    or exists (select from public.profiles p where p.user_id = u.id))
  union all select 'a merged account leads to one that was merged', u.id::text from auth.users u
    join auth.users t on t.id = u.merged_into where t.merged_into is not null
  union all select 'a deleted account has something', u.id::text from auth.users u where u.deleted_at is not null and (
    num_nonnulls(u.phone, u.phone_raw, u.wechat_id, u.wechat_unionid) > 0
    or exists (select from auth.sessions s where s.user_id = u.id)
    or exists (select from auth.phone_changes p where p.user_id = u.id))
  union all select 'the history of phones does not come to the phone', u.id::text from auth.users u
    where u.deleted_at is null and u.merged_into is null and (
      select coalesce(array_agg(c.phone), '{}') from (
        select c.phone from auth.phone_changes p, lateral (values (p.phone, 1), (p.former, -1)) c (phone, n)
        where p.user_id = u.id and c.phone is not null group by c.phone having sum(c.n) <> 0
      ) c) is distinct from array_remove(array[u.phone], null)
  union all select 'a code is claimed and nobody asks', encode(code_hash, 'hex') from auth_private.wechat_codes
    where outcome is null and claimed_until > now()`

/** What the subscriber of events was told, against what the outbox says: all of it, and of each user in its order. */
async function faultsOfHearing(since: string) {
  const isQuiet = async () => {
    const { left } = await db.row<{ left: number }>(
      `select (select count(*) from auth_private.events where relayed_at is null)::int
         + (select count(*) from auth_private.deliveries)::int
         + (select count(*) from auth_private.wechat_pushes where done_at is null)::int as left`,
    )
    return left === 0
  }
  await until(isQuiet)
  const told = await db.rows<{ type: string; user_id: string; created_at: Date }>(
    'select type, user_id, created_at from auth_private.events where id > $1 order by id',
    [since],
  )
  const name = (type: string, user: string, time: string) => `${user} ${type} ${time}`
  // Two of one type within a millisecond look alike, and like one that was told twice.
  const wanted = [
    ...new Set(told.map(({ type, user_id, created_at }) => name(type, user_id, created_at.toISOString()))),
  ]
  const first = [...new Set(heard.map(({ type, timestamp, data }) => name(type, data.user_id!, timestamp)))]
  const ofUser = (list: string[], user: string) => list.filter(line => line.startsWith(user))
  return [...new Set(told.map(({ user_id }) => user_id))]
    .map(user => ({ wanted: ofUser(wanted, user), heard: ofUser(first, user) }))
    .filter(({ wanted, heard }) => wanted.join() !== heard.join())
}

let runs = 0
let pushes = 1_600_000_000

test('whatever people do at once, over three nodes and two apps, nothing is doubled, misplaced or forgotten', async () => {
  const lives = fc.array(fc.array(Step, { minLength: 10, maxLength: 40 }), { minLength: 2, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(lives, async lanes => {
      const world = new World(++runs)
      // Nobody begins with nothing; and those of the runs before are out of the way.
      await db.rows('truncate auth.users cascade')
      const { since } = await db.row<{ since: string }>(
        'select coalesce(max(id), 0) as since from auth_private.events',
      )
      heard.length = 0
      for (const person of [0, 1, 2]) await world.step({ ...lanes[0]![0]!, what: 'sign in', person })
      await Promise.all(
        lanes.map(async steps => {
          for (const step of steps) await world.step(step)
        }),
      )
      expect(world.unforeseen).toEqual([])
      expect(await faultsOfHearing(since)).toEqual([])
      expect(await db.rows(FAULTS)).toEqual([])

      // Every bind that was acknowledged is in the log; without the phone, where he has taken that back since.
      for (const { phone, userId } of world.boundCodes) {
        const { bound } = await db.row(
          `select exists (select from auth.audit_log_entries
             where action = 'phone_bound' and user_id = $1 and coalesce(details ->> 'phone', $2) = $2) as bound`,
          [userId, `+86${phone.slice(0, 3)}****${phone.slice(-4)}`],
        )
        expect({ phone, userId, bound }).toEqual({ phone, userId, bound: true })
      }
    }),
    { numRuns: 2 * ROUNDS - 2, endOnFailure: true },
  )
}, 300_000)
