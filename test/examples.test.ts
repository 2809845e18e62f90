import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const read = (name: string) => readFileSync(root + name, 'utf8')

// What a page shows of an example is what the example runs; test/contract/package.test.ts runs it.

const shown = readdirSync(`${root}docs`)
  .filter(name => name.endsWith('.md'))
  .flatMap(name =>
    [...read(`docs/${name}`).matchAll(/^`(examples\/\S+)`:\n\n```\w+\n(.*?)^```$/gms)].map(
      ([, file, block]) => [name, file!, block!] as const,
    ),
  )

test.each(shown)('%s shows %s as it is', (_page, file, block) => {
  expect(block).toBe(read(file))
})

test('the page on operations of your own shows all that one is made of', () => {
  expect(shown.filter(([page]) => page === 'companion_rpc.md').map(([, file]) => file)).toEqual([
    'examples/postgraphile/rpc/share_order.ts',
    'examples/postgraphile/migrations/0005_share_order.sql',
    'examples/postgraphile/wechat.ts',
  ])
})
