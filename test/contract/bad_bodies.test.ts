import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type RawHeaders, sendRequest } from '../support/raw.ts'
import { refusalOf } from '../support/refusals.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// Bodies that are cut, huge, packed, of another type or in another charset, on both entrances.

let db: TestDatabase
let simulator: TestSimulator
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const S = 's3cr3t'
const invalid = (status: number) => ({ status, code: 'validation_failed' })

/** A good request of each entrance, whose body or headers a case bends. */
const entrances = [
  { target: '/auth/v1/wechat_mini/login', good: `{"code":"${S}"}` },
  { target: '/graphql', good: '{"query":"{ __typename }"}' },
]
const json: RawHeaders = [['content-type', 'application/json']]

type Bend = (good: Buffer) => { body?: Buffer | string; headers?: RawHeaders }

async function bent(bend: Bend) {
  const answers = []
  for (const { target, good } of entrances) {
    const { body, headers = json } = { body: good, ...bend(Buffer.from(good)) }
    answers.push(await sendRequest(node.url, { method: 'POST', target, headers, body: body! }))
  }
  return answers
}

describe('a body', () => {
  test.each<[string, Bend, number]>([
    ['empty', () => ({ body: '' }), 400],
    ['blank', () => ({ body: ' \n\t ' }), 400],
    ['cut', good => ({ body: good.subarray(0, -1) }), 400],
    ['with a comma too many', () => ({ body: `{"code":"${S}",}` }), 400],
    ['with single quotes', () => ({ body: `{'code':'${S}'}` }), 400],
    ['with something behind', good => ({ body: `${good} ${S}` }), 400],
    ['NaN', () => ({ body: 'NaN' }), 400],
    ['null', () => ({ body: 'null' }), 400],
    ['a number', () => ({ body: '7' }), 400],
    ['a string', () => ({ body: `"${S}"` }), 400],
    ['a list', good => ({ body: `[${good}]` }), 400],
    ['an empty object', () => ({ body: '{}' }), 400],
    ['NUL bytes', () => ({ body: Buffer.alloc(100) }), 400],
    ['bytes that are no UTF-8', () => ({ body: Buffer.from([0x7b, 0xff, 0xfe, 0xc3, 0x28, 0x7d]) }), 400],
    ['UTF-16', good => ({ body: Buffer.from(`${good}`, 'utf16le') }), 400],
    ['urlencoded, called JSON', () => ({ body: `code=${S}` }), 400],
    ['100,000 lists without an end', () => ({ body: '['.repeat(100_000) }), 400],
    ['45,000 lists', () => ({ body: '['.repeat(45_000) + ']'.repeat(45_000) }), 400],
    ['15,000 objects', () => ({ body: `${'{"a":'.repeat(15_000)}1${'}'.repeat(15_000)}` }), 400],
    ['200 KB', () => ({ body: ' '.repeat(200_000) }), 413],
    ['2 MiB', () => ({ body: Buffer.alloc(2 << 20, 0x20) }), 413],
    ['2 MiB of a code', () => ({ body: `{"code":"${'x'.repeat(2 << 20)}"}` }), 413],
  ])('%s', async (_name, bend, status) => {
    const answers = await bent(bend)
    expect(answers.map(answer => refusalOf(answer, [S]))).toEqual([invalid(status), invalid(status)])
  })

  const encoded = (encoding: string, body: (good: Buffer) => Buffer) => (good: Buffer) => ({
    body: body(good),
    headers: [...json, ['content-encoding', encoding]] as RawHeaders,
  })
  test.each<[string, Bend, rest: number, graphql: number]>([
    ['50 MB in 50 KB of gzip', encoded('gzip', () => gzipSync(Buffer.alloc(50 << 20, 0x20))), 413, 415],
    [
      '50 MB in a little brotli',
      encoded('br', () => brotliCompressSync(Buffer.alloc(5 << 20, 0x20))),
      413,
      415,
    ],
    ['gzip that is none', encoded('gzip', good => good), 400, 415],
    ['gzip that is cut', encoded('gzip', good => gzipSync(good).subarray(0, -12)), 400, 415],
    ['brotli that is none', encoded('br', good => good), 400, 415],
    ['deflate that is none', encoded('deflate', good => good), 400, 415],
    ['zstd that is none', encoded('zstd', good => good), 400, 415],
    ['an encoding that nobody knows', encoded('rot13', good => good), 415, 415],
    ['gzip twice', encoded('gzip, gzip', good => gzipSync(gzipSync(good))), 415, 415],
    ['an encoding of 5,000 letters', encoded('x'.repeat(5_000), good => good), 415, 415],
  ])('in %s', async (_name, bend, rest, graphql) => {
    const answers = await bent(bend)
    expect(answers.map(answer => refusalOf(answer, [S]))).toEqual([invalid(rest), invalid(graphql)])
  })

  test.each<[string, string | undefined]>([
    ['no type', undefined],
    ['an empty type', ''],
    ['text', 'text/plain'],
    ['HTML', 'text/html'],
    ['a form', 'application/x-www-form-urlencoded'],
    ['a multipart form', 'multipart/form-data; boundary=x'],
    ['bytes', 'application/octet-stream'],
    ['JSON of another kind', 'application/vnd.api+json'],
    ['text that is JSON', 'text/json'],
    ['no slash', 'json'],
    ['nonsense', 'nonsense'],
    ['two types', 'application/json, text/plain'],
    ['a type too long', `application/${'x'.repeat(5_000)}`],
    ['a charset that is not UTF', 'application/json; charset=gbk'],
    ['a charset that nobody knows', 'application/json; charset=nonsense'],
    ['a quoted charset', 'application/json; charset="latin1"'],
  ])('of %s: 415', async (_name, type) => {
    const answers = await bent(() => ({ headers: type === undefined ? [] : [['content-type', type]] }))
    expect(answers.map(answer => refusalOf(answer, [S]))).toEqual([invalid(415), invalid(415)])
  })

  test('of two types, in two headers: 415', async () => {
    const answers = await bent(() => ({ headers: [...json, ['content-type', 'text/plain']] }))
    expect(answers.map(answer => refusalOf(answer, [S]))).toEqual([invalid(415), invalid(415)])
  })

  test.each<[string, Bend]>([
    ['JSON', () => ({})],
    ['JSON in capitals', () => ({ headers: [['content-type', 'Application/JSON']] })],
    ['JSON in UTF-8', () => ({ headers: [['content-type', 'application/json;charset=UTF-8']] })],
    ['JSON with odd parameters', () => ({ headers: [['content-type', 'application/json;; a=b;']] })],
    ['no encoding, said aloud', () => ({ headers: [...json, ['content-encoding', 'identity']] })],
    ['spaces around', good => ({ body: `\n ${good} \n` })],
    [
      'chunks',
      good => ({
        body: `${good.length.toString(16)}\r\n${good}\r\n0\r\n\r\n`,
        headers: [...json, ['transfer-encoding', 'chunked']],
      }),
    ],
  ])('of %s: read', async (_name, bend) => {
    const [rest, graphql] = await bent(bend)
    expect(refusalOf(rest!, [S])).toEqual({ status: 400, code: 'wechat_code_invalid' })
    expect(graphql!.body).toEqual({ data: { __typename: 'Query' } })
  })

  test.each<[string, (body: Buffer) => Buffer]>([
    ['gzip', gzipSync],
    ['brotli', brotliCompressSync],
    ['deflate', deflateSync],
  ])('in %s: REST reads it', async (name, pack) => {
    const encoding = name === 'brotli' ? 'br' : name
    const [rest] = await bent(encoded(encoding, pack))
    expect(refusalOf(rest!, [S])).toEqual({ status: 400, code: 'wechat_code_invalid' })
  })

  test('with a byte order mark: REST reads it, GraphQL does not', async () => {
    const answers = await bent(good => ({ body: `\ufeff${good}` }))
    expect(answers.map(answer => refusalOf(answer, [S]).code)).toEqual([
      'wechat_code_invalid',
      'validation_failed',
    ])
  })
})

test('nothing was signed in', async () => {
  expect(await db.row('select count(*) from auth.users')).toEqual({ count: '0' })
})
