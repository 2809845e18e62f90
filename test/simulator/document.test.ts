import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { simulatorCommand } from '../../src/simulator/command.ts'
import {
  createSimulator,
  SIMULATOR_APP_ID,
  SIMULATOR_APP_SECRET,
  simulatorApp,
} from '../../src/simulator/index.ts'
import { LIMITS } from '../../src/simulator/quotas.ts'
import { SETTINGS } from '../../src/simulator/settings.ts'
import { ROUTES } from '../../src/simulator/wechat.ts'
import { listen } from './harness.ts'

// docs/simulator.md: its examples in their order against one simulator, and its tables against the code.

const page = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/^```sh\n(curl .*?)^```\n\n```json\n(.*?)^```$/gms)].map(
  ([, command, answer]) => [command!.trim(), answer!] as const,
)

/** A service that takes every push, and knows how to echo. */
const service = createServer((req, res) => {
  res.end(new URL(req.url!, 'http://service').searchParams.get('echostr') ?? 'success')
})
const simulator = createSimulator()
let h: Awaited<ReturnType<typeof listen>>
let env: Record<string, string>
beforeAll(async () => {
  h = await listen(simulatorApp(simulator))
  await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve))
  const { port } = service.address() as AddressInfo
  env = {
    ...{ URL: h.base, APPID: SIMULATOR_APP_ID, SECRET: SIMULATOR_APP_SECRET },
    SERVICE: `http://127.0.0.1:${port}`,
  }
})
afterAll(async () => {
  await h.close()
  service.close()
})

/** What curl would send, by the shell's own reading; curl itself need not be there. */
function requestOf(command: string): [url: string, init: RequestInit] {
  const printed = execFileSync('sh', ['-c', `curl() { printf '%s\\0' "$@"; }\n${command}`], { env })
  const given = printed.toString().split('\0').slice(0, -1)
  let [url, method, body]: (string | undefined)[] = []
  for (let word = given.shift(); word !== undefined; word = given.shift()) {
    if (word === '-X') method = given.shift()
    else if (word === '-d') body = given.shift()
    else if (word !== '-s') url = word
  }
  const usual = body === undefined ? 'GET' : 'POST'
  // What curl -d says of its body, which is no form.
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return [url!, { method: method ?? usual, ...(body !== undefined && { body, headers }) }]
}

test('every example has its answer, but the commands that start things', () => {
  const commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, command]) => command!.split(' ')[0])
  expect(commands.filter(word => word !== 'curl')).toEqual(['npx', 'export'])
  expect(commands.filter(word => word === 'curl')).toHaveLength(examples.length)
  expect(examples.length).toBeGreaterThan(25)
  const [, app, secret] = /APPID=(\w+) SECRET=(\w+)/.exec(page)!
  expect([app, secret]).toEqual([SIMULATOR_APP_ID, SIMULATOR_APP_SECRET])
})

test.each(examples)('%s', async (command, answer) => {
  const expected = JSON.parse(answer, (_key, value) => (value === '…' ? expect.anything() : value))
  const [url, init] = requestOf(command)
  const response = await fetch(url, init)
  const given = (await response.json()) as Record<string, string>
  expect(given).toMatchObject(expected)
  if (given.code) env.CODE = given.code
  if (given.access_token) env.TOKEN = given.access_token
})

const firstCells = (table: RegExp) => {
  const [, rows] = table.exec(page)!
  return rows!
    .trim()
    .split('\n')
    .map(row => row.split(' | ').map(cell => cell.replace(/^\| | \|$/g, '').replaceAll('`', '')))
}

test('the tables have every option, endpoint, limit and setting', async () => {
  const command = simulatorCommand({}, async () => {})
  const options = firstCells(/\| option \|[^\n]*\n\|[-|]+\n(.*?)\n\n/s).map(([name]) => name)
  expect(options.filter(name => name?.startsWith('--'))).toEqual(command.options.map(({ long }) => long))

  const control = firstCells(/\| endpoint \| does \|\n\|[-|]+\n(.*?)\n\n/s).map(([name]) => name)
  const index = (await h.get('/')).body
  expect(control).toEqual(index.control)

  const wechat = firstCells(/\| endpoint \| path \|[^\n]*\n\|[-|]+\n(.*?)\n\n/s).map(([name, path]) => [
    name,
    path,
  ])
  expect(wechat).toEqual(
    Object.entries(ROUTES).map(([name, { method, path }]) => [name, `${method} ${path}`]),
  )

  const limits = firstCells(/\| limit \|[^\n]*\n\|[-|]+\n(.*?)\n\n/s).map(([name, calls]) => [name, calls])
  expect(limits).toEqual(Object.entries(LIMITS).map(([name, limit]) => [name, String(limit)]))

  const settings = firstCells(/\| setting \|[^\n]*\n\|[-|]+\n(.*?)\n\n/s).map(([name]) => name)
  expect(settings).toEqual(Object.keys(SETTINGS))
})

/** What the call after each fault of the table comes to. */
const effects: Record<string, (answer: Promise<Response>) => Promise<void>> = {
  errcode: async answer => expect(await (await answer).json()).toMatchObject({ errcode: 45011 }),
  status: async answer => expect((await answer).status).toBe(502),
  latency: async answer => expect(await (await answer).json()).toMatchObject({ expires_in: 7200 }),
  hang: async answer => expect(await (await answer).json()).toMatchObject({ expires_in: 7200 }),
  'hang true': async answer => expect(answer).rejects.toThrow('aborted'),
  reset: async answer => expect(answer).rejects.toThrow('fetch failed'),
  truncate: async answer => expect(await (await answer).text()).toMatch(/^\{"access_token":"86_$/),
  'truncate tear': async answer => expect((await answer).text()).rejects.toThrow('terminated'),
  huge: async answer => expect((await (await answer).text()).length).toBe(5_000_000),
  empty: async answer => expect(await (await answer).text()).toBe(''),
  phone_info: async answer => expect((await answer).status).toBe(200),
}

test('every fault of the table does what stands beside it', async () => {
  const faults = firstCells(/\| fault \| what happens \|\n\|[-|]+\n(.*?)\n\n/s).map(([fault]) =>
    JSON.parse(fault!),
  )
  const kinds = faults.map(fault => {
    const [kind, ...rest] = Object.keys(fault)
    return fault.hang === true ? 'hang true' : rest.includes('tear') ? 'truncate tear' : kind!
  })
  expect(kinds).toEqual(Object.keys(effects))
  const query = `grant_type=client_credential&appid=${env.APPID}&secret=${env.SECRET}`
  for (const [index, fault] of faults.entries()) {
    expect(await h.post('/faults', { endpoint: 'token', fault })).toMatchObject({ status: 200 })
    const [gone, before] = [new AbortController(), simulator.callCounts.token]
    const answer = fetch(`${env.URL}/cgi-bin/token?${query}`, { signal: gone.signal })
    const seen = effects[kinds[index]!]!(answer)
    while (simulator.callCounts.token === before) await new Promise(resolve => setTimeout(resolve, 5))
    if (fault.hang === true) gone.abort()
    await seen
    expect((await h.get('/faults')).body.faults).toEqual([])
  }
})

test('the example of a test is one', async () => {
  const [, source] = /^```js\n(.*?)^```$/ms.exec(page)!
  const [, names] = /^import \{ (.*) \} from 'postgraphile-wechat\/simulator'$/m.exec(source!)!
  const given: Record<string, unknown> = { createSimulator, simulatorApp }
  expect(names!.split(', ')).toEqual(Object.keys(given))
  const collected: [when: string, work: (done?: () => void) => unknown][] = []
  const collect = (when: string) => (work: () => unknown) => void collected.push([when, work])
  const globals = {
    ...given,
    expect,
    test: (_name: string, work: () => unknown) => collect('test')(work),
    ...{ beforeAll: collect('beforeAll'), afterAll: collect('afterAll'), afterEach: collect('afterEach') },
  }
  new Function(...Object.keys(globals), source!.replace(/^import .*$/m, ''))(...Object.values(globals))
  for (const when of ['beforeAll', 'test', 'afterEach', 'afterAll']) {
    const [, work] = collected.find(([name]) => name === when)!
    if (work.length > 0) await new Promise<void>(resolve => void work(resolve))
    else await work()
  }
  expect(collected).toHaveLength(4)
})

test('the page that the simulator serves is this one', async () => {
  expect(await h.get('/document')).toMatchObject({ status: 200, body: page })
  expect((await h.get('/simulator')).body.document).toBe(`${env.URL}/simulator/document`)
})

test('the signature of a session is that of the official example', () => {
  // Of WeChat's page on signatures: the key is the session_key as it stands, not its bytes.
  const sign = (text: string) => createHmac('sha256', 'o0q0otL8aEzpcZL/FT9WsQ==').update(text).digest('hex')
  expect(sign('{"foo":"bar"}')).toBe('654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b')
})
