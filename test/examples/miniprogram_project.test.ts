import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseConfig } from '../../src/config.ts'
import { catalogue } from '../../src/errors.ts'
import { buildMiniProgram } from '../support/miniprogram.ts'
import { createPhone } from './phone.ts'
import type { Site } from './site.ts'

// examples/miniprogram as WeChat's developer tools find it.

const root = fileURLToPath(new URL('../../', import.meta.url))
const example = join(root, 'examples/miniprogram')
const read = (name: string) => JSON.parse(readFileSync(join(example, name), 'utf8'))
const missing = (names: string[]) =>
  names.filter(name => !statSync(join(example, 'miniprogram', name), { throwIfNoEntry: false }))

let built: ReturnType<typeof buildMiniProgram>
beforeAll(() => {
  built = buildMiniProgram()
})
afterAll(() => built.remove())
const module = (name: string) => createRequire(import.meta.url)(join(built.directory, `${name}.js`))

test('everything that it names is there', () => {
  const { pages, tabBar, themeLocation, sitemapLocation } = read('miniprogram/app.json')
  expect(tabBar.list.map(({ pagePath }: { pagePath: string }) => pagePath)).toEqual(pages)
  const components = pages.flatMap((page: string) =>
    Object.values<string>(read(`miniprogram/${page}.json`).usingComponents),
  )
  const parts = [...pages, ...components].flatMap(name =>
    ['json', 'ts', 'wxml'].map(type => `${name}.${type}`),
  )
  expect(missing([...parts, 'app.ts', 'app.wxss', themeLocation, sitemapLocation])).toEqual([])
})

test('both themes have the colours that the program names', () => {
  const names = readFileSync(join(example, 'miniprogram/app.json'), 'utf8').match(/(?<="@)\w+/g)!
  const { light, dark } = read('miniprogram/theme.json')
  expect(names.filter(name => !(name in light && name in dark))).toEqual([])
})

test('its packages are those with which it is tested', () => {
  const { dependencies, devDependencies } = read('package.json')
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies
  expect(wanted).toMatchObject({ ...dependencies, ...devDependencies })
})

test('it finds the service of `npm start`', () => {
  const { host, port } = parseConfig({})
  expect(module('config').config).toEqual({
    url: `http://${host}:${port}`,
    anonKey: '',
    simulator: `http://${host}:${port}/simulator`,
  })
})

test('both languages have a text for whatever a mini program may hear', () => {
  Object.assign(globalThis, { wx: { getAppBaseInfo: () => ({ language }) } })
  let language = ''
  const { failure } = module('service/failure')
  const { textOf, texts } = module('texts/texts')
  for (language of ['zh_CN', 'en']) {
    const without = Object.keys(catalogue).filter(
      code => textOf(failure(code)) === texts().failures.unexpected_failure,
    )
    expect(without.sort()).toEqual([
      ...['identity_already_exists', 'not_admin', 'single_identity_not_deletable', 'unexpected_failure'],
      ...['user_not_found', 'validation_failed'],
    ])
  }
})

test('without the anon key the page of the SDK says what to do', async () => {
  const phone = createPhone({ directory: built.directory } as Site, 'memfire')
  await phone.open()
  expect(phone.shows('text')).toContain('ANON_KEY')
  expect(phone.requests).toEqual([])
})
