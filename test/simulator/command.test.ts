import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { simulatorCommand } from '../../src/simulator/command.ts'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'

// The command as other teams start it, with whatever else is in their environment.

// biome-ignore lint/suspicious/noExplicitAny: bodies are compared, not computed with
const json = async (url: string, init?: RequestInit): Promise<any> => (await fetch(url, init)).json()
const post = (url: string, body: object) => json(url, { method: 'POST', body: JSON.stringify(body) })

test('a process of its own ends at once, although somebody waits for an answer', async () => {
  const child = spawn(process.execPath, ['src/main.ts', 'simulator', '--port', '0'], {
    env: { PATH: process.env.PATH! },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  while (!output.includes('/document') && child.exitCode === null) {
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  const url = /answers at (\S+)/.exec(output)![1]!
  await post(`${url}/faults`, { endpoint: 'token', fault: { hang: true } })
  const waiting = json(`${url}/cgi-bin/token`).catch((error: Error) => error.message)
  while ((await json(`${url}/calls`)).counts.token === 0);
  const ended = once(child, 'close')
  child.kill('SIGINT')
  expect((await ended)[0]).toBe(0)
  expect(await waiting).toBe('fetch failed')
}, 120_000)

/** Runs the command in this process until `look` has seen it; what it said. */
async function run(args: string[], env: Record<string, string>, look = async (_url: string) => {}) {
  let said = ''
  const write = (text: string) => {
    said += text
  }
  const command = simulatorCommand(
    env,
    async start => {
      const running = await start()
      await look(/answers at (\S+)/.exec(said)![1]!).finally(() => running.stop())
    },
    write,
  )
  command.exitOverride().configureOutput({ writeOut: write, writeErr: write })
  const error = await command.parseAsync(args, { from: 'user' }).then(
    () => undefined,
    (error: Error) => error,
  )
  return { said, error }
}

test('without anything: its own app, and what it prints works', async () => {
  const { said } = await run(['--port', '0'], {}, async url => {
    const { code } = await post(`${url}/login-codes`, { openid: 'o-alice' })
    const app = `appid=${SIMULATOR_APP_ID}&secret=${SIMULATOR_APP_SECRET}`
    expect(
      await json(`${url}/sns/jscode2session?${app}&grant_type=authorization_code&js_code=${code}`),
    ).toMatchObject({ openid: 'o-alice' })
    expect(await (await fetch(`${url}/document`)).text()).toMatch(/^# The WeChat simulator\n/)
  })
  expect(said).toContain(`app ${SIMULATOR_APP_ID}, secret ${SIMULATOR_APP_SECRET}`)
  expect(said).toMatch(/answers at (\S+) \(WECHAT_API_URL=\1\)/)
})

test('options, beside an environment that is another program’s', async () => {
  const foreign = { JWT_SECRET: 'short', DATABASE_URL: 'mysql://x', NODE_ENV: 'production', PORT: '0' }
  const args = ['--app', 'wx-one:a:b', '--app', 'wx-two:c', '--token-life', '60', '--no-quotas']
  const { said, error } = await run(args, foreign, async url => {
    expect((await json(url)).apps).toEqual(['wx-one', 'wx-two'])
    const query = 'grant_type=client_credential&appid=wx-one&secret=a:b'
    expect(await json(`${url}/cgi-bin/token?${query}`)).toMatchObject({ expires_in: 60 })
    expect((await json(`${url}/quotas`)).enforced).toBe(false)
  })
  expect(error).toBeUndefined()
  expect(said).not.toContain(SIMULATOR_APP_ID)
})

test('apps of the environment, after those of the command line', async () => {
  const env = {
    ...{ PORT: '0', WECHAT_APP_ID: 'wx00000000000000aa', WECHAT_APP_SECRET: 'x' },
    ...{ WECHAT_APPS: '{"wx00000000000000bb": "y"}', WECHAT_PUSH_TOKEN: 'AAAAA' },
  }
  const { error } = await run(['--app', 'wx-one:a', '--push-url', 'http://127.0.0.1:9/'], env, async url => {
    expect((await json(url)).apps).toEqual(['wx-one', 'wx00000000000000aa', 'wx00000000000000bb'])
    expect(await post(`${url}/push-checks`, {})).toMatchObject({ echoed: false, status: null })
  })
  expect(error).toBeUndefined()
})

test.each<[fact: string, args: string[], says: string]>([
  ['a port that is none', ['--port', 'x'], 'PORT is not a port number'],
  ['an app without its secret', ['--app', 'wx-of-mine'], '--app is not an appid, a colon and its secret'],
  ['an app with a space', ['--app', 'wx of mine:secret'], '--app is not an appid, a colon and its secret'],
  ['a life too long', ['--token-life', '7201'], 'from 1 to 7200'],
  ['an option that is none', ['--ports', '1'], 'unknown option'],
])('%s is refused, with what helps', async (_fact, args, says) => {
  const { said, error } = await run(args, {})
  expect(`${said}${error?.message}`).toContain(says)
  expect(`${said}${error?.message}`).not.toContain('of-mine')
})

test('--help says how to begin', async () => {
  const { said } = await run(['--help'], {})
  for (const text of ['--app <appid:secret>', '/login-codes', 'docs/simulator.md'])
    expect(said).toContain(text)
})
