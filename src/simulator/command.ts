// Hop before: src/main.ts. Hop after: index.ts, on a port of its own.
import { Command, InvalidArgumentError, Option } from 'commander'
import { z } from 'zod'
import { ConfigError, type Env, parseConfig } from '../config.ts'
import { listen } from '../server.ts'
import { version } from '../version.ts'
import { AppId, Secret } from './control/apps.ts'
import { createSimulator, simulatorApp } from './index.ts'

/** What of the environment concerns the simulator; whatever else is set there is somebody else's. */
const NAMES = [
  'HOST',
  'PORT',
  'WECHAT_APP_ID',
  'WECHAT_APP_SECRET',
  'WECHAT_APPS',
  'WECHAT_PUSH_TOKEN',
  'WECHAT_PUSH_AES_KEY',
] as const

/** Nobody needs the answers of calls that still hang. */
const GRACE_MS = 200

interface Given {
  host?: string
  port?: string
  app?: string[]
  tokenLife?: number
  pushUrl?: string
  quotas: boolean
}

const HELP = `
Without --app the apps are those of WECHAT_APP_ID, WECHAT_APP_SECRET and WECHAT_APPS, else one of the simulator's own.
WECHAT_PUSH_TOKEN and WECHAT_PUSH_AES_KEY sign and encrypt pushes. HOST and PORT stand in for --host and --port.

  postgraphile-wechat simulator --port 5678 --app wx00000000000000aa:its-secret
  curl -s http://127.0.0.1:5678/login-codes -d '{"openid": "o-alice"}'

How to use it, from any language: GET /document of the simulator, or docs/simulator.md.`

/** `simulator`: WeChat on a port, until a signal ends it. `run` is what runs a command until then, `print` what tells people. */
export function simulatorCommand(
  env: Env,
  run: (command: () => Promise<{ stop(): Promise<void> }>) => Promise<void>,
  print: (text: string) => void = text => void process.stdout.write(text),
): Command {
  return new Command('simulator')
    .description('the WeChat simulator alone, for the tests of any backend in any language')
    .option('--host <address>', 'where it listens (default: HOST, else 127.0.0.1)')
    .option('--port <number>', 'where it listens; 0 picks a free port (default: PORT, else 5678)')
    .option(
      '--app <appid:secret>',
      'a mini program; may be repeated, the first is the default',
      (text, before: string[] = []) => [...before, text],
    )
    .addOption(
      new Option('--token-life <seconds>', 'lifetime of access tokens (default: 7200)').argParser(tokenLife),
    )
    .option('--push-url <url>', 'where pushes go for which no address is named')
    .option('--no-quotas', "WeChat's limits on calls a day and a minute are not enforced")
    .addHelpText('after', HELP)
    .action((given: Given) => run(() => startSimulator(given, env, print)))
}

async function startSimulator(
  given: Given,
  env: Env,
  print: (text: string) => void,
): Promise<{ stop(): Promise<void> }> {
  const own = Object.fromEntries(NAMES.map(name => [name, env[name]]))
  const { host, port, wechat, push } = parseConfig({
    ...own,
    ...(given.host !== undefined && { HOST: given.host }),
    ...(given.port !== undefined && { PORT: given.port }),
  })
  // Beside apps of the command line the simulator's own would be one that nobody asked for.
  const { [wechat.defaultAppid]: _, ...others } = wechat.apps
  const fromEnv = given.app && !env.WECHAT_APP_ID?.trim() ? others : wechat.apps
  const named = appsOf(given.app ?? [])
  const apps = { ...named, ...fromEnv, ...named }
  const http = await listen(host, port)
  const simulator = createSimulator({
    ...{ apps, quotas: given.quotas, push: push && { ...push, url: given.pushUrl } },
    ...(given.tokenLife !== undefined && { tokenLifeSeconds: given.tokenLife }),
  })
  http.serve(simulatorApp(simulator))
  print(`${greeting(http.url, apps)}\n`)
  return { stop: () => http.close(GRACE_MS) }
}

/** What a person wants to know when it has started. */
function greeting(url: string, apps: Record<string, string>): string {
  return [
    `The WeChat simulator ${version} answers at ${url} (WECHAT_API_URL=${url})`,
    ...Object.entries(apps).map(([appid, secret]) => `  app ${appid}, secret ${secret}`),
    `  a login code  curl -s ${url}/login-codes -d '{"openid": "o-alice"}'`,
    `  a phone code  curl -s ${url}/phone-codes -d '{"phone": "13800138000"}'`,
    `  all it does   curl -s ${url}/          how to use it: ${url}/document`,
  ].join('\n')
}

/** Not by commander, whose messages repeat what they refuse: there is a secret in it. */
function appsOf(texts: string[]): Record<string, string> {
  const pairs = texts.map(text => {
    const [appid, ...rest] = text.split(':')
    const pair = z.tuple([AppId, Secret]).safeParse([appid, rest.join(':')])
    if (!pair.success) throw new ConfigError(['--app is not an appid, a colon and its secret'])
    return pair.data
  })
  return Object.fromEntries(pairs)
}

function tokenLife(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= 7200) return Number(text)
  throw new InvalidArgumentError('A whole number of seconds from 1 to 7200.')
}
