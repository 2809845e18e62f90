import { generateKeyPairSync } from 'node:crypto'
import { kinds, type Variable, variables } from '../../scripts/reference/variables.ts'
import { defaultOf, valuesOf, variablesPage } from '../../scripts/reference/variables_page.ts'
import { Environment } from '../../src/environment.ts'
import { read } from '../support/markdown.ts'

// docs/reference/variables.md against the schema that it tells of.

type Name = keyof typeof variables
const entries = Object.entries(variables) as [Name, Variable][]
const takes = (name: Name, text: string) => Environment.shape[name].safeParse(text).success

const signingKey = JSON.stringify({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  kid: 'a',
})

test.each(entries.filter(([, { kind }]) => kind))('%s is what the page says', (name, { kind }) => {
  const { good = signingKey, bad } = kinds[kind!]
  expect(takes(name, good)).toBe(true)
  if (bad !== undefined) expect(takes(name, bad)).toBe(false)
})

test.each(entries.filter(([, { kind }]) => !kind))('%s is one of the values of the page', name => {
  const values = valuesOf(name)!
  expect(values.length).toBeGreaterThan(1)
  expect(values.filter(value => !takes(name, value))).toEqual([])
  expect(takes(name, 'something else')).toBe(false)
})

test.each(entries.filter(([, { fallback }]) => !fallback))('%s has the default of the page', name => {
  expect(Environment.shape[name].parse(defaultOf(name))).toEqual(Environment.shape[name].parse(undefined))
})

test('a default in words stands only where the schema has none, or an empty one', () => {
  const doubled = entries.filter(([name, { fallback }]) => fallback && (defaultOf(name) ?? '[]') !== '[]')
  expect(doubled).toEqual([])
})

test('both pages have every variable of the configuration once', () => {
  for (const language of ['en', 'zh'] as const) {
    const names = [...variablesPage(language).matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name)
    expect(names.sort()).toEqual(Object.keys(Environment.shape).sort())
  }
})

test('the Chinese page is Chinese', () => {
  const english = entries.filter(([, { meaning }]) => !/\p{Script=Han}/u.test(meaning.zh))
  expect(english).toEqual([])
})

test.each(['README.md', 'README.zh-CN.md'])('%s names variables that there are', name => {
  const rows = [...read(name).matchAll(/^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|/gm)].map(([, names]) => names!)
  const named = rows.flatMap(names => names.replaceAll('`', '').split(', '))
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter(variable => !(variable in variables))).toEqual([])
})
