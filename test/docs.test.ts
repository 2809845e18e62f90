import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { rules } from '../src/limits/rules.ts'
import { RETENTION, rules as retentionRules } from '../src/tasks/retention.ts'
import { documents, read, root } from './support/markdown.ts'

const filesBelow = (directory: string): string[] =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .map(name => join(directory, name))
    .filter(name => statSync(join(root, name)).isFile())

const sources = [...filesBelow('src'), ...filesBelow('sql/schema'), ...filesBelow('test')]
const code = sources.map(read).join('\n')

describe.each(documents)('%s', name => {
  const text = read(name)
  const quoted = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!)

  test('names files that exist', () => {
    const paths = quoted.filter(span =>
      /^(src|sql|test|docs|scripts|generated|docker|bin|\.ci)\/[\w./-]+$/.test(span),
    )
    const real = paths.filter(path => !path.includes('NNNN'))
    expect(real.filter(path => !statSync(join(root, path), { throwIfNoEntry: false }))).toEqual([])
  })

  test('names SQL functions and tables that exist', () => {
    const objects = quoted.flatMap(span => /^(auth(?:_private)?\.\w+)(?:\(|$)/.exec(span)?.[1] ?? [])
    const exists = (object: string) =>
      new RegExp(`create (function|table|view) ${object.replace('.', '\\.')}\\b`).test(code)
    expect(objects.filter(object => !exists(object))).toEqual([])
  })
})

test('the flow of a bind names functions and types that are in the file it gives', () => {
  const rows = read('docs/flows/wechat_bind_phone.md')
    .split('\n')
    .filter(line => /^\| \d/.test(line))
  expect(rows.length).toBeGreaterThan(6)
  for (const row of rows) {
    const [, , files, what] = row.split('|')
    const text = [...files!.matchAll(/`([^`]+)`/g), ...what!.matchAll(/`((?:src|sql)\/[^`]+)`/g)]
      .map(([, path]) => read(path!))
      .join('\n')
    const names = [...what!.matchAll(/`([a-zA-Z_.]+)`/g)]
      .map(([, span]) => span!)
      .filter(span => !span.includes('/'))
    for (const name of names) {
      for (const part of name.split('.').slice(-1))
        expect([row, text]).toEqual([row, expect.stringContaining(part)])
    }
  }
})

test('the table of what is kept is that of the code', () => {
  const table = [
    ...read('docs/operations.md').matchAll(/^\| `(auth\w*\.\w+)` \| [^|]* \| (\S+) \| (\w+) \|$/gm),
  ].map(([, name, variable, days]) => [name, variable!.replaceAll('`', ''), days])
  const kept = { ledger: 1001, audit: 1002, phoneHistory: 1003, events: 1004, tombstones: 1005 }
  const variables = ['LEDGER', 'AUDIT', 'PHONE_HISTORY', 'EVENTS', 'TOMBSTONES'].map(
    name => `RETENTION_${name}`,
  )
  const variableOf = (days: number | null) => (days && days > 1000 ? variables[days - 1001] : '–')
  expect(table).toEqual(
    retentionRules.map(({ table, days }) => [
      table,
      variableOf(days(kept)),
      String(days(RETENTION) ?? 'forever'),
    ]),
  )
})

test('the table of rate limits is that of the code', () => {
  const table = [...read('docs/operations.md').matchAll(/^\| `(\w+)` \| (\w+) \| (\d+) \| (\d+) \|$/gm)].map(
    ([, operation, by, points, seconds]) => [operation, by, Number(points), Number(seconds)],
  )
  expect(table).toEqual(
    Object.entries(rules).flatMap(([operation, list]) =>
      list.map(({ by, points, seconds }) => [operation, by, points, seconds]),
    ),
  )
})
