import { catalogue, type ErrorCode } from '../../src/errors.ts'
import type { RawAnswer } from './raw.ts'

/** What nobody outside may read: files, stacks, libraries and their words, SQL and PostgreSQL's words. */
const INTERNALS = [
  /node_modules|\/(?:work|home|root|usr|tmp|app|src|var|etc)\/|\.(?:[cm]?[jt]s|sql)\b|\bat \S+ \(|:\d+:\d+\)/,
  /\b(?:Range|Type|Reference|Syntax|Aggregate)Error\b|stack|heap|undefined|\[object |Unexpected (?:token|end)/i,
  /\bE[A-Z]{4,}\b|socket|hang up|getaddrinfo|fetch|\bHPE_|Parse Error/,
  /jose\b|\bJW[SEK]\b|compact|signature|\bzod\b|express\b|body-parser|iconv|zlib|\bpino|grafast|grafserv|graphile|libphonenumber/i,
  /postgres|\bpg_|auth_private|relation|constraint|\bselect |\bSQL|transaction|duplicate key|permission denied|WX0\d\d|connection/i,
]

/** The words of a text that are of the inside. */
export const internalsIn = (text: string): string[] =>
  INTERNALS.flatMap(pattern => pattern.exec(text)?.[0] ?? [])

export interface Refusal {
  status: number
  /** The catalogue's name of every error in the answer. */
  code: string | undefined
}

/**
 * What an answer refuses with, in the words that all entrances share, after a look at what holds for every refusal:
 * JSON of its protocol's form, a name of the catalogue, Retry-After where the catalogue has one, nothing of the inside,
 * and none of `secrets`.
 */
export function refusalOf(answer: RawAnswer, secrets: string[] = []): Refusal {
  const { status, headers, body, text } = answer
  const codes: ErrorCode[] = body?.errors?.map(graphqlCode) ?? [restCode(answer)]
  expect({ text, headers: headers['content-type'] }).toEqual({
    text: expect.stringMatching(/^\{.*\}$/s),
    headers: expect.stringMatching(/^application\/(graphql-response\+)?json/),
  })
  expect(codes.filter(code => !(code in catalogue))).toEqual([])
  expect(headers['cache-control']).toBe('no-store')
  expectNothingInside(answer, secrets)
  const wait = (catalogue[codes[0]!] as { retryAfter?: number }).retryAfter
  const told = body.errors ? body.errors[0].extensions.retryAfter : headers['retry-after']
  expect(Number(told ?? 0) > 0).toBe(wait !== undefined)
  return { status, code: [...new Set(codes)].join() }
}

/** For answers that need not be ours: neither headers nor body tell of the inside, or repeat a secret. */
export function expectNothingInside({ headers, text }: RawAnswer, secrets: string[] = []) {
  const { connection: _hop, ...told } = headers
  const all = `${Object.entries(told).join('\n')}\n${text}`
  expect(internalsIn(all)).toEqual([])
  for (const value of secrets) expect(all).not.toContain(value)
}

const graphqlCode = ({ message, extensions }: { message?: unknown; extensions?: { code?: unknown } }) => {
  expect(message).toEqual(expect.any(String))
  return extensions?.code as ErrorCode
}

/** GoTrue's form: `code` repeats the status, and the header the name. */
function restCode({ status, headers, body }: RawAnswer): ErrorCode {
  const { code, error_code, msg } = body ?? {}
  expect({ code, error_code, msg }).toEqual({
    code: status,
    error_code: headers['x-sb-error-code'],
    msg: expect.any(String),
  })
  return error_code
}
