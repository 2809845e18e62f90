import { join } from 'node:path'
import { SIMULATOR_APP_ID } from '../../src/simulator/index.ts'
import { add, createSource, idOf } from '../import/fixture.ts'
import { loginCode, post } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { wantedPrograms } from '../support/installed.ts'
import { blocksIn, read } from '../support/markdown.ts'
import { createPlace, type Place } from '../support/place.ts'
import { servers } from '../support/servers.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { openTerminal, type Terminal } from '../support/terminal.ts'

// docs/tutorials/moving.md in its order, from a database like MemFire's. pg_dump is an installed PostgreSQL's, and dumps no newer
// server than itself: where none is installed, that block alone is left out.

const page = read('docs/tutorials/moving.md')
const [where, ask, askChina, mend, rehearse, signIn, move, tables, ready, again, refresh, since, ...others] =
  blocksIn(page, 'sh')
const [isReady, isRefused] = blocksIn(page, 'json').map(
  text => JSON.parse(text, (_key, value) => (value === '…' ? expect.anything() : value)) as unknown,
)

const programs = wantedPrograms().find(directory => directory !== undefined)
const APP = 'wx0123456789abcdef'
const APP_SECRET = 'the-secret-of-the-app'
const TWIN = '7a6c1d9e-3b1f-4f0a-8c59-2f6f6f0b5a11'

let old: TestDatabase
let db: TestDatabase
let simulator: TestSimulator
let terminal: Terminal
let place: Place
let node: Node | undefined

beforeAll(async () => {
  old = await createSource('memfire', servers.at(-1))
  db = await createDatabase({ migrated: false })
  simulator = await startSimulator({ apps: { [APP]: APP_SECRET } })
  terminal = await openTerminal(programs === undefined ? [] : [programs])
  place = await createPlace()
  const confirmed = { phone_confirmed_at: '2024-05-01' }
  const wechat = (openid: string) => ({ raw_app_meta_data: '{"provider": "wechat_mini"}', wechat_id: openid })
  await add(old, 'auth.users', {
    id: idOf(1),
    phone: '13800138000',
    ...confirmed,
    ...wechat('o-of-one-of-them'),
  })
  await add(old, 'auth.users', { id: idOf(2), phone: '13900139000', ...confirmed, ...wechat('o-2') })
  await add(old, 'auth.users', { id: TWIN, phone: '8613900139000', ...confirmed, ...wechat('o-3') })
  await old.owner.query(`
    create function auth.uid() returns uuid language sql stable return null::uuid;
    create table public.orders (
      id bigint primary key, user_id uuid references auth.users (id), item text);
    alter table public.orders enable row level security;
    create policy orders_own on public.orders to authenticated using (user_id = (select auth.uid()));
    insert into public.orders values (1, '${idOf(1)}', 'tea')`)
}, 120_000)
afterAll(async () => {
  await node?.close()
  await place.close()
  await terminal.close()
  await simulator.close()
  await Promise.all([db.drop(), old.drop()])
})

/** A block with this machine's places in it, after what has been said in this terminal before. */
const terminalWith =
  (said: string, places: Record<string, string>) =>
  (block: string): Promise<string> => {
    const here = Object.entries({
      'npx postgraphile-wechat': 'postgraphile-wechat',
      'postgres://postgres@old.example.com:5432/postgres': old.ownerUrl,
      'postgres://auth_owner@db.example.com:5432/app': db.ownerUrl,
      ...places,
    })
    const replaced = here.reduce((text, [there, here]) => text.replaceAll(there, here), `${said}\n${block}`)
    return terminal.run(replaced)
  }

const refusal = (work: Promise<string>) =>
  work.then(
    () => undefined,
    ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
  )

test('looked at and rehearsed beside `npm start`', async () => {
  expect(page).toContain(SIMULATOR_APP_ID)
  const { url } = await place.launchUntilReady()
  const run = terminalWith(where!, {
    '.data/env': join(place.dataDir, 'env'),
    'http://127.0.0.1:5678': url,
  })
  expect(await refusal(run(ask!))).toEqual({ code: 1, stdout: expect.stringMatching(/phone_ambiguous 138/) })
  const twice = await refusal(run(askChina!))
  expect(twice).toEqual({ code: 1, stdout: expect.stringContaining(`conflict ${TWIN} phone_twice`) })
  expect(twice!.stdout).not.toContain('phone_ambiguous')
  await run(mend!)
  expect(await run(askChina!)).toContain('A dry run: nothing was written')
  expect(await run(rehearse!)).toMatch(/^3 +\| 2 +\| 3$/m)
  expect(JSON.parse(await run(signIn!))).toMatchObject({ user: { id: idOf(1), phone: '13800138000' } })
}, 120_000)

test('moved: the same users sign in, and what refers to them still does', async () => {
  const said = move!.slice(0, move!.indexOf('\n\n'))
  const env = { WECHAT_APP_ID: APP, WECHAT_APP_SECRET: APP_SECRET }
  expect(await terminalWith('', {})(move!)).toContain('3 imported')
  if (programs !== undefined) {
    await terminalWith(said, {})(tables!)
    expect(
      await db.rows('select u.phone, o.item from public.orders o join auth.users u on u.id = o.user_id'),
    ).toEqual([{ phone: '+8613800138000', item: 'tea' }])
    expect(
      await db.rows(`select polname::text from pg_policy where polrelid = 'public.orders'::regclass`),
    ).toEqual([{ polname: 'orders_own' }])
  }
  node = await startNode({ db, wechatUrl: simulator.url, env })
  const run = terminalWith(said, { 'https://auth.example.com': node.url })
  expect(JSON.parse(await run(ready!))).toEqual(isReady)

  const late = { id: idOf(4), wechat_id: 'o-4', raw_app_meta_data: '{"provider": "wechat_mini"}' }
  await add(old, 'auth.users', late)
  expect(await run(again!)).toMatch(/1 imported\n +3 imported before/)
  expect(JSON.parse(await run(refresh!))).toEqual(isRefused)

  const enter = async (openid: string) =>
    post(`${node!.url}/auth/v1/wechat_mini/login`, {
      code: await loginCode(simulator, openid, { appid: APP }),
    })
  expect((await enter('o-4')).body.user.id).toBe(late.id)
  const stranger = (await enter('o-new')).body.user.id
  const told = await run(since!)
  expect(told).toContain(`${stranger} | o-new`)
  expect(told).not.toContain(late.id)
  expect(others).toEqual([])
}, 120_000)
