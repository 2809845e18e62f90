import { mkdirSync, statSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publint } from 'publint'
import { loginCode, post, send } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { production } from '../support/serve.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'
import {
  BIN,
  environment,
  filesBelow,
  install,
  link,
  manifestOf,
  pack,
  root,
  run,
  typeErrors,
} from './package/pack.ts'
import { ANSWERS, launch } from './package/process.ts'
import { shop } from './package/shop.ts'
import { openShop, type ShopSite } from './package/shop_site.ts'

// What `npm publish` would publish: packed from what a fresh clone has, and installed into projects that are not ours.

/** The package, as it is unpacked. */
let packed: string
let directory: string
/** A project with nothing in it but the package. */
let empty: string
/** The example, which takes some seconds to come up, meanwhile. */
let opening: Promise<ShopSite>
let db: TestDatabase
let simulator: TestSimulator

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-package-'))
  // PostgreSQL, which does not run as root, has to get to a directory of data in it.
  await chmod(directory, 0o755)
  const databases = createDatabase()
  packed = await pack(directory)
  opening = openShop(packed, join(directory, 'shop'))
  opening.catch(() => {})
  db = await databases
  simulator = await startSimulator()
  empty = join(directory, 'empty')
  mkdirSync(empty)
  await writeFile(join(empty, 'package.json'), '{ "private": true }')
  install(packed, empty)
})
afterAll(async () => {
  expect(await (await opening).close()).toBe(0)
  await simulator.close()
  await db.drop()
  await rm(directory, { recursive: true, force: true })
})

test('the tarball holds what it should, and nothing else', () => {
  /** The page of the playground is bundled, and what bundles it is of no use to whoever has the bundle. */
  const isPage = (name: string) => /^playground\/(page\/|bundle\.)/.test(name)
  const page = ['icon.svg', 'index.html', 'main.css', 'main.js'].map(name => `dist/playground/page/${name}`)
  const compiled = filesBelow(join(root, 'src'))
    .filter(name => !name.endsWith('.d.ts') && !isPage(name))
    .flatMap(name => ['.js', '.d.ts'].map(extension => `dist/${name.replace(/\.ts$/, extension)}`))
  const documents = filesBelow(join(root, 'docs')).filter(
    name =>
      /^([^/]+\.md|alerts\.yml|(flows|reference|tutorials)\/.*|images\/.*\.svg)$/.test(name) &&
      !['mutation.md', 'performance.md'].includes(name),
  )
  const expected = [
    ...['CHANGELOG.md', 'LICENSE', 'README.md', 'README.zh-CN.md', 'package.json'],
    'bin/postgraphile-wechat.js',
    ...compiled,
    ...page,
    ...documents.map(name => `docs/${name}`),
    ...filesBelow(join(root, 'sql')).map(name => `sql/${name}`),
  ]
  expect(filesBelow(packed)).toEqual(expected.sort())
  expect(compiled.length).toBeGreaterThan(200)
  expect(statSync(join(packed, 'bin/postgraphile-wechat.js')).mode & 0o111).not.toBe(0)
})

test('package.json promises what is there', async () => {
  const { messages } = await publint({ pkgDir: packed, pack: false, strict: true })
  expect(messages).toEqual([])
  const { version, ...others } = manifestOf(packed)
  expect(others).not.toHaveProperty('repository')
  const answer = await run(join(empty, BIN), ['--version'], { env: environment() })
  expect(answer.stdout.trim()).toBe(version)
})

/** Without the option that lets imports end with `.ts`, which declarations here do. */
const CONSUMER = `
import { createServices, type OwnRpc, parseConfig, wechatPreset } from 'postgraphile-wechat'
import { createSimulator } from 'postgraphile-wechat/simulator'

const port: number = parseConfig(process.env).port
// @ts-expect-error: it is a number
const text: string = port
// @ts-expect-error: it has no name
const rpc: OwnRpc<object, object> = {}
export const made = [createServices, createSimulator().killTokens, wechatPreset, text, rpc]
`

test('its types resolve where nothing else is installed', async () => {
  const place = join(directory, 'consumer')
  mkdirSync(place)
  await writeFile(join(place, 'consumer.mts'), CONSUMER)
  install(packed, place)
  link(place, ['@types/node'])
  const options = ['--module', 'nodenext', '--target', 'es2024', '--strict', '--types', 'node', '--noEmit']
  expect(await typeErrors(place, [...options, 'consumer.mts'])).toEqual([])
})

test('npx finds its commands', async () => {
  const { stdout } = await run('npx', ['--no', '--offline', 'postgraphile-wechat', '--help'], {
    cwd: empty,
    env: environment(),
  })
  for (const command of ['start', 'serve', 'worker', 'migrate', 'simulator', 'keys', 'import', 'sql'])
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
})

test('serve answers, and signs in', async () => {
  const env = production({ db, wechatUrl: simulator.url })
  const service = await launch([BIN, 'serve'], ANSWERS, { cwd: empty, env })
  try {
    const url = service.found
    expect((await send(`${url}/health/ready`)).status).toBe(200)
    const code = await loginCode(simulator, 'o-of-the-package')
    expect((await post(`${url}/auth/v1/wechat_mini/login`, { code })).status).toBe(200)
    const query = '{ __type(name: "WechatBindPhonePayload") { name } }'
    expect((await post(`${url}/graphql`, { query })).body.data.__type).not.toBeNull()
  } finally {
    expect(await service.end()).toBe(0)
  }
})

describe('the example', () => shop(() => ({ opening, directory })))
