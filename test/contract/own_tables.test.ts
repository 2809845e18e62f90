import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { freshOpenid, freshPhone, graphql, loginCode, phoneCode } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { end, launchServe, type ServeProcess } from '../support/serve.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'
import { createWx } from '../support/wx.ts'

// docs/own_tables.md as it stands there: its SQL, and its GraphQL with the session of MemFire's SDK, against a process.

const wx = createWx()
Object.assign(globalThis, { wx })
const { createClient } = createRequire(import.meta.url)('supabase-wechat-stable-v2')

const page = readFileSync(new URL('../../docs/own_tables.md', import.meta.url), 'utf8')
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, text]) => text!)
const [createNote, ownNotes] = blocks('graphql') as [string, string]

let db: TestDatabase
let simulator: TestSimulator
let service: ServeProcess

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  for (const statement of blocks('sql')) await db.rows(statement)
  service = await launchServe({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await end(service.child)
  await simulator.close()
  await db.drop()
})

/** A mini program whose user has signed in and bound a phone. */
async function miniProgram() {
  const { auth } = createClient(service.node.url, service.keys.anon, {
    auth: { autoRefreshToken: false, detectSessionInUrl: false, storageKey: randomUUID() },
  })
  const openid = freshOpenid()
  await auth.signInWithWechat({ code: await loginCode(simulator, openid) })
  const phone = freshPhone()
  const bound = await auth.wechatBindPhone({ code: await phoneCode(simulator, phone) })
  expect(bound.error).toBeNull()
  const { data } = await auth.getSession()
  const token: string = data.session.access_token
  const run = (query: string, variables = {}) => graphql(service.node, query, variables, token)
  return { auth, openid, phone: `+86${phone}`, id: bound.data.user.id as string, run }
}

test('everybody writes and reads his own notes', async () => {
  const [alice, bob] = [await miniProgram(), await miniProgram()]
  for (const { run, id, openid } of [alice, bob]) {
    const { body } = await run(createNote, { body: `of ${id}` })
    expect(body).toEqual({
      data: {
        createNote: {
          note: {
            rowId: expect.any(String),
            body: `of ${id}`,
            userByUserId: { id, wechatId: openid },
          },
        },
      },
    })
  }
  for (const { run, id, phone } of [alice, bob]) {
    const { body } = await run(ownNotes)
    expect(body).toEqual({
      data: {
        currentUser: {
          id,
          phone,
          notesByUserId: {
            nodes: [{ rowId: expect.any(String), body: `of ${id}`, createdAt: expect.any(String) }],
          },
        },
        allNotes: { totalCount: 1 },
      },
    })
  }
})

test('the session goes on after a refresh, and ends with the sign-out', async () => {
  const { auth, run, id } = await miniProgram()
  await run(createNote, { body: 'before' })
  const { data } = await auth.refreshSession()
  const again = await graphql(service.node, ownNotes, {}, data.session.access_token)
  expect(again.body.data.currentUser.notesByUserId.nodes).toHaveLength(1)
  expect(again.body.data.currentUser.id).toBe(id)
  await auth.signOut()
  const ended = await graphql(service.node, ownNotes, {}, data.session.access_token)
  expect(ended.body.errors[0].extensions.code).toBe('session_not_found')
})

test.each([
  ['a note for somebody else', 'note: { body: "x", userId: $other }', 'validation_failed'],
  ['an empty note', 'note: { body: "" }', 'validation_failed'],
])('%s is refused', async (_what, input, code) => {
  const { run } = await miniProgram()
  const { id: other } = await miniProgram()
  const declared = input.includes('$other') ? '($other: UUID!)' : ''
  const { body } = await run(`mutation ${declared} { createNote(input: { ${input} }) { note { rowId } } }`, {
    other,
  })
  expect(body.errors[0].extensions.code).toBe(code)
})

test.each(['anon', 'service_role'] as const)('%s has no right', async role => {
  const { body } = await graphql(service.node, '{ allNotes { totalCount } }', {}, service.keys[role])
  expect(body.errors[0].extensions.code).toBe('no_authorization')
})
