import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type AdminBench, startAdminBench } from './admin_fixture.ts'

// docs/admin_rest.md: its examples, in their order, and its table of routes.

const page = readFileSync(new URL('../../docs/admin_rest.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/^([^\n]*):\n\n```sh\n(.*?)^```\n\n```json\n(.*?)^```$/gms)].map(
  ([, what, command, answer]) => [what!, command!, answer!] as const,
)

let bench: AdminBench
beforeAll(async () => {
  bench = await startAdminBench()
})
afterAll(() => bench.close())

/** What curl would be given, by the shell's own reading; curl itself need not be there. */
function argumentsOf(command: string): string[] {
  const { node } = bench
  const env = { AUTH: `${node.url}/auth/v1`, KEY: node.services.apiKeys.serviceRole }
  const printed = execFileSync('sh', ['-c', `curl() { printf '%s\\0' "$@"; }\n${command}`], { env })
  return printed.toString().split('\0').slice(0, -1)
}

async function curl(command: string): Promise<unknown> {
  const given = argumentsOf(command)
  let [url, method, body]: (string | undefined)[] = []
  const headers = new Headers()
  for (let word = given.shift(); word !== undefined; word = given.shift()) {
    if (word === '-X') method = given.shift()
    else if (word === '-d') body = given.shift()
    else if (word === '-H') headers.append(...(given.shift()!.split(': ') as [string, string]))
    else if (word !== '-s') url = word
  }
  const answer = await fetch(url!, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    ...(body !== undefined && { body }),
  })
  return answer.json()
}

test('there are examples of every method', () => {
  expect(examples.length).toBe(page.match(/^```sh$/gm)!.length)
  expect(examples.length).toBeGreaterThan(5)
})

test.each(examples)('%s', async (_what, command, answer) => {
  const expected = JSON.parse(answer, (_key, value) => (value === '…' ? expect.any(String) : value))
  expect(await curl(command)).toMatchObject(expected)
})

test('the table has every route', async () => {
  const rows = [...page.matchAll(/^\| `(GET|POST|PUT|DELETE) (\/[^`]*)` \|/gm)].map(([, ...row]) => row)
  const paths = [...new Set(rows.map(([, path]) => path!))]
  for (const path of paths) {
    const { status, headers } = await bench.admin('PATCH', path.replace(/\{\w+\}/g, 'x'))
    const methods = rows.filter(([, other]) => other === path).map(([method]) => method)
    expect({ path, status, allow: headers.get('allow')?.split(', ').sort() }).toEqual({
      path,
      status: 405,
      allow: methods.sort(),
    })
  }
  expect(paths).toHaveLength(5)
})
