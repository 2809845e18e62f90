import { z } from 'zod'
import {
  AppError,
  asCaller,
  type Call,
  createLog,
  createServices,
  type OwnRpc,
  parseConfig,
  requireUser,
  type Services,
} from '../../src/index.ts'
import type { AnyRpc } from '../../src/rpc/own_rpc.ts'
import { AT_ONCE, counted, scrape, sumOf } from '../metrics/samples.ts'
import { freshPhone, graphql, phoneCode, post, type SignedIn, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { until } from '../tasks/harness.ts'

// Operations of the application's own, as docs/companion_rpc.md says: by GraphQL and REST, with what ours have around them.

const SECRET = 'a-secret-in-an-error'
const WAITING = "select from pg_locks where not granted and relation = 'public.notes'::regclass"
const INSERT = "insert into public.notes (body) values ('never')"

const addNote: OwnRpc<{ noteBody: string }, { noteId: number; writtenBy: string }> = {
  name: 'addNote',
  description: 'Writes a note.',
  sdl: {
    input: '"""What it says."""\nnoteBody: String!',
    payload: '"""Its number."""\nnoteId: Int\n"""Who wrote it."""\nwrittenBy: UUID',
  },
  input: z.object({ noteBody: z.string().max(20, 'is longer than 20 characters') }),
  limits: [{ by: 'user', points: 3, seconds: 60 }],
  async run(services, call, { noteBody }) {
    const [note] = await asCaller(services, call, query =>
      query<{ id: number; user_id: string }>('insert into public.notes (body) values ($1) returning *', [
        noteBody,
      ]),
    )
    return { noteId: note!.id, writtenBy: note!.user_id }
  },
}

/** Does what its input says, for what goes wrong and for what has no limits of its own. */
const doIt: OwnRpc<{ what: string }, object> = {
  name: 'doIt',
  description: 'Does something.',
  sdl: { input: '"""What."""\nwhat: String!', payload: '"""The answer."""\nanswer: String' },
  input: z.object({ what: z.string() }),
  async run(services, call, { what }) {
    return { answer: await deeds[what]!(services, call) }
  },
}
const deeds: Record<string, (services: Services, call: Call) => unknown> = {
  'count notes': async (services, call) =>
    (await asCaller(services, call, query => query('select count(*)::text from public.notes')))[0]!.count,
  'refuse in SQL': (services, call) => asCaller(services, call, query => query('select public.refuse()')),
  refuse: () => {
    throw new AppError('validation_failed', { status: 404, message: 'There is no such thing' })
  },
  fail: () => {
    throw new Error(`a detail for nobody, ${SECRET}`)
  },
  'ask for a user': (_services, { caller }) => requireUser(caller).sessionId && 'here he is',
  'change our tables': (services, call) => asCaller(services, call, query => query('delete from auth.users')),
  'write, then fail': (services, call) =>
    asCaller(services, call, async query => {
      await query(INSERT)
      throw new AppError('phone_exists')
    }),
  'write, and hide a failure': (services, call) =>
    asCaller(services, call, async query => {
      await query(INSERT)
      await query('select 1/0').catch(() => {})
    }),
  'write too late': async (services, call) => {
    const query = await asCaller(services, call, async query => query)
    await query(INSERT)
  },
}

const rpcs = [addNote, doIt]

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let alice: SignedIn

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  await db.owner.query(`
    create table public.notes (id int primary key generated always as identity,
      user_id uuid not null default auth.uid(), body text not null constraint notes_say_something check (body <> ''));
    alter table public.notes enable row level security;
    create policy notes_own on public.notes to authenticated using (user_id = (select auth.uid()));
    grant select, insert on public.notes to authenticated;
    create function public.refuse() returns void language plpgsql as $$
      begin raise exception 'The shop is closed' using errcode = 'WX001'; end $$;`)
  node = await startNode({ db, wechatUrl: simulator.url, rpcs, metricsPace: AT_ONCE })
  alice = await signIn(node, simulator)
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

interface Outcome {
  code: string | undefined
  status: number
  message?: string
  answer?: unknown
}

/** Both entrances: the input by the names of GraphQL, the answer in the words that they share. */
const entrances: Record<
  string,
  (node: Node, rpc: AnyRpc, input: object, token?: string) => Promise<Outcome>
> = {
  async GraphQL(at, { name, sdl }, input, token) {
    const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input!`
    const fields = [...sdl.payload.matchAll(/^(\w+):/gm)].map(([, field]) => field).join(' ')
    const { status, body } = await graphql(
      at,
      `mutation ($input: ${type}) { ${name}(input: $input) { ${fields} query { id } } }`,
      { input },
      token,
    )
    const [error] = body.errors ?? []
    if (error) return { code: error.extensions.code, status, message: error.message }
    const { query: _root, ...answer } = body.data[name]
    return { code: undefined, status, answer }
  },
  async REST(at, { name }, input, token) {
    const snake = (text: string) => text.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
    const given = Object.fromEntries(Object.entries(input).map(([key, value]) => [snake(key), value]))
    const { status, body } = await post(`${at.url}/auth/v1/rpc/${snake(name)}`, given, token)
    if (status >= 400) return { code: body.error_code, status, message: body.msg }
    const camel = (text: string) => text.replace(/_(.)/g, (_all, letter) => letter.toUpperCase())
    const answer = Object.fromEntries(Object.entries(body).map(([key, value]) => [camel(key), value]))
    return { code: undefined, status, answer }
  },
}

describe.each(Object.entries(entrances))('by %s', (entrance, call) => {
  const ok = (answer: object) => ({ code: undefined, status: 200, answer })

  test('it runs as its caller, under his policies', async () => {
    const bob = await signIn(node, simulator)
    expect(await call(node, addNote, { noteBody: 'mine' }, alice.accessToken)).toEqual(
      ok({ noteId: expect.any(Number), writtenBy: alice.userId }),
    )
    expect(await call(node, doIt, { what: 'count notes' }, bob.accessToken)).toEqual(ok({ answer: '0' }))
    await call(node, addNote, { noteBody: 'his' }, bob.accessToken)
    expect(await call(node, doIt, { what: 'count notes' }, bob.accessToken)).toEqual(ok({ answer: '1' }))
  })

  test('whose session has ended, or who is banned, is told so before anything runs', async () => {
    const [ended, banned] = [await signIn(node, simulator), await signIn(node, simulator)]
    await post(`${node.url}/auth/v1/logout`, {}, ended.accessToken)
    await db.rows(`select auth.admin_ban_user($1, now() + interval '1 day', 'test')`, [banned.userId])
    for (const what of ['refuse', 'count notes']) {
      expect(await call(node, doIt, { what }, ended.accessToken)).toMatchObject({ code: 'session_not_found' })
      expect(await call(node, doIt, { what }, banned.accessToken)).toMatchObject({ code: 'user_banned' })
    }
    expect(await call(node, doIt, { what: 'refuse' }, 'not-a-token')).toMatchObject({ code: 'bad_jwt' })
  })

  test.each([
    ['nobody, where a user is needed', 'ask for a user', 'no_authorization', /signed-in user/],
    ['a right that the caller lacks', 'change our tables', 'no_authorization', /signed-in user/],
    ['an error of the catalogue', 'refuse', 'validation_failed', /^There is no such thing$/],
    [
      'an error that SQL raises by our SQLSTATE',
      'refuse in SQL',
      'validation_failed',
      /^The shop is closed$/,
    ],
    ['what nobody has foreseen', 'fail', 'unexpected_failure', /Please report it/],
  ])('%s has its name', async (_what, what, code, message) => {
    const outcome = await call(node, doIt, { what })
    expect(outcome).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(JSON.stringify(outcome)).not.toContain(SECRET)
    if (what === 'refuse') expect(outcome.status).toBe(entrance === 'REST' ? 404 : 200)
  })

  test('a constraint is named, and a field as the protocol spells it', async () => {
    const name = entrance === 'REST' ? 'note_body' : 'noteBody'
    const outcomes = [
      await call(node, addNote, { noteBody: '' }, alice.accessToken),
      await call(node, addNote, { noteBody: 'x'.repeat(21) }, alice.accessToken),
    ]
    expect(outcomes).toMatchObject([
      { code: 'validation_failed', message: 'This violates the constraint notes_say_something' },
      { code: 'validation_failed', message: `${name} is longer than 20 characters` },
    ])
  })

  test.each([
    ['write, then fail', 'phone_exists'],
    ['write, and hide a failure', 'unexpected_failure'],
    ['write too late', 'unexpected_failure'],
  ])('%s: nothing is written, and the connection is good for the next', async (what, code) => {
    const user = await signIn(node, simulator)
    for (let times = 0; times < 12; times++)
      expect(await call(node, doIt, { what }, user.accessToken)).toMatchObject({ code })
    expect(await call(node, doIt, { what: 'count notes' }, user.accessToken)).toEqual(ok({ answer: '0' }))
  })

  test('it is counted against its limits, or those of a request', async () => {
    const limited = await startNode({ db, wechatUrl: simulator.url, rpcs, env: { RATE_LIMITS: 'on' } })
    try {
      const user = await signIn(limited, simulator)
      const outcomes = []
      for (let times = 0; times < 4; times++)
        outcomes.push((await call(limited, addNote, { noteBody: 'x' }, user.accessToken)).code)
      expect(outcomes).toEqual([undefined, undefined, undefined, 'over_request_rate_limit'])
      await db.rows('truncate auth_private.rate_limits')
      await call(limited, doIt, { what: 'ask for a user' }, user.accessToken)
      const keys = await db.rows<{ key: string }>('select key from auth_private.rate_limits')
      expect(keys.map(({ key }) => key.split(':')[0])).toEqual(
        expect.arrayContaining(['doIt by session in 60 s', 'doIt by address in 60 s']),
      )
    } finally {
      await limited.close()
    }
  })

  test('it is measured', async () => {
    const before = await scrape(node)
    await call(node, doIt, { what: 'refuse' })
    const after = await scrape(node)
    const refused = (samples: typeof after) => counted(samples, 'doIt', 'validation_failed')
    expect(refused(after) - refused(before)).toBe(1)
    expect(sumOf(before, 'rate_limit_refusals_total', { operation: 'addNote' })).toBe(0)
  })
})

test('a database that goes away has its name, and the next caller a connection of his own', async () => {
  const wire = await startProxy(db.webUrl)
  const other = await startNode({ db: { ...db, webUrl: wire.url }, wechatUrl: simulator.url, rpcs })
  const ask = (what: string) => post(`${other.url}/auth/v1/rpc/do_it`, { what }, alice.accessToken)
  try {
    const waiting = await db.experiment(async owner => {
      await owner.query('lock table public.notes')
      const asked = ask('count notes')
      await until(async () => (await db.rows(WAITING)).length > 0)
      wire.cut()
      return (await asked).body
    })
    expect(waiting.error_code).toBe('database_unavailable')
    expect((await ask('count notes')).body.error_code).toBe('database_unavailable')
    await wire.mend()
    expect((await ask('count notes')).status).toBe(200)
  } finally {
    await other.close()
    await wire.close()
  }
})

test('other methods of its path are refused, and so is a body that is no object', async () => {
  const url = `${node.url}/auth/v1/rpc/do_it`
  const get = await send(url, { token: alice.accessToken })
  expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
  expect((await post(url, ['x'], alice.accessToken)).body).toMatchObject({
    error_code: 'validation_failed',
    msg: 'input is not a JSON object',
  })
})

test.each(['token', 'logout'])('one that is called %s has the statuses of any other', async name => {
  const other = await startNode({ db, wechatUrl: simulator.url, rpcs: [{ ...doIt, name }] })
  const ask = (what: string, token?: string) => post(`${other.url}/auth/v1/rpc/${name}`, { what }, token)
  try {
    // GoTrue's routes of these names answer 503 and 401.
    expect((await ask('no such deed', alice.accessToken)).status).toBe(500)
    expect((await ask('count notes', 'no.good.token')).status).toBe(403)
  } finally {
    await other.close()
  }
})

test('it may ask WeChat, with the access token that all share', async () => {
  const asking: AnyRpc = {
    ...doIt,
    run: async ({ wechat }, { appid }, { what: code }) => ({
      answer: Object.keys(await wechat.post(appid, '/wxa/business/getuserphonenumber', { code })).join(' '),
    }),
  }
  const other = await startNode({ db, wechatUrl: simulator.url, rpcs: [asking], metricsPace: AT_ONCE })
  const ask = async (what: string) => (await post(`${other.url}/auth/v1/rpc/do_it`, { what })).body
  try {
    const code = await phoneCode(simulator, freshPhone())
    expect(await ask(code)).toEqual({ answer: 'errcode errmsg phone_info' })
    expect(await ask(code)).toMatchObject({ error_code: 'wechat_code_invalid', wechat: { errcode: 40029 } })
    simulator.killTokens()
    expect(await ask(await phoneCode(simulator, freshPhone()))).toHaveProperty('answer')
    expect(sumOf(await scrape(other), 'api_answers_total', { endpoint: 'other', errcode: '0' })).toBe(2)
  } finally {
    await other.close()
  }
})

test.each([
  ['one of ours', ['wechatSignIn'], 'There is an RPC "wechatSignIn" already: yours needs another name'],
  ['of a query of ours', ['currentUser'], 'There is an RPC "currentUser" already: yours needs another name'],
  ['of another', ['doIt', 'doIt'], 'There is an RPC "doIt" already: yours needs another name'],
  ['no name', ['do-it'], 'The RPC "do-it" needs a name in camelCase: it becomes a field of GraphQL'],
])('a name that is %s is refused at the start', async (_what, names, message) => {
  const config = parseConfig({ DATABASE_URL: db.webUrl, JWT_SECRET: 'x'.repeat(32) })
  const made = createServices({
    config,
    ownUrl: 'http://127.0.0.1',
    log: createLog('silent'),
    rpcs: names.map(name => ({ ...doIt, name })),
  })
  await expect(made).rejects.toThrow(message)
})
