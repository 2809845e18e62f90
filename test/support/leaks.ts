import type { ChildProcess } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Request, RequestHandler, Response } from 'express'
import { pino } from 'pino'
import { createLog, type Logger } from '../../src/log.ts'

// What the whole suite logs, answers and stores is kept in one directory, and so is every secret that it comes across;
// when it has ended, test/support/leak_reporter.js looks for the ones in the others.

const directory = () => process.env.TEST_RECORDS

const append = (name: string, text: string) => {
  const target = directory()
  if (target) appendFileSync(join(target, `${name}-${process.pid}.txt`), `${text}\n`)
}

/** Keeps what no secret may be in: a line of a log, an answer, a row. */
export const record = (kind: 'log' | 'answer' | 'database', text: string) => append(kind, text)

/** Keeps what may be nowhere. */
export function secret<T extends string>(value: T): T {
  if (value.length >= 6) append('secret', value)
  return value
}

/** Keeps what a process logs: the lines of JSON. What it shows to a person, the banner with its keys, is none. */
export function recordOutput({ stdout, stderr }: ChildProcess): void {
  for (const input of [stdout!, stderr!])
    createInterface({ input }).on('line', line => line.startsWith('{') && record('log', line))
}

/** A log that says everything, to the records. */
export function recordedLog(): Logger {
  const target = directory()
  return target
    ? createLog('trace', pino.destination(join(target, `log-${process.pid}.txt`)))
    : createLog('silent')
}

const OUR_SECRETS = /"(?:access_?token|refresh_?token|phone)":"([^"]+)"/gi
const WECHATS_SECRETS = /"(?:access_token|session_key|code|phoneNumber|purePhoneNumber)":"([^"]+)"/g

/** Keeps what the service answers: headers and errors as they are, of a success the secrets that it tells. */
export const recordAnswers = onAnswer((req, res, body) => {
  for (const [, value] of body.matchAll(OUR_SECRETS)) secret(value!)
  record('answer', `${req.method} ${res.statusCode} ${JSON.stringify(res.getHeaders())} ${failureIn(body)}`)
})

/** Keeps the secrets that WeChat tells. */
export const recordSecrets = onAnswer((_req, _res, body) => {
  for (const [, value] of body.matchAll(WECHATS_SECRETS)) secret(value!)
})

function onAnswer(tell: (req: Request, res: Response, body: string) => void): RequestHandler {
  return (req, res, next) => {
    const chunks: Buffer[] = []
    const keep = (chunk: unknown) => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk))
    }
    const { write, end } = res
    res.write = ((chunk: unknown, ...rest: unknown[]) => {
      keep(chunk)
      return Reflect.apply(write, res, [chunk, ...rest])
    }) as typeof res.write
    res.end = ((chunk: unknown, ...rest: unknown[]) => {
      keep(chunk)
      tell(req, res, Buffer.concat(chunks).toString())
      return Reflect.apply(end, res, [chunk, ...rest])
    }) as typeof res.end
    next()
  }
}

/** What an answer says of a failure; in GraphQL it may stand beside what succeeded. */
function failureIn(body: string): string {
  if (!body.startsWith('{')) return body.slice(0, 1_000)
  const { errors, ...rest } = JSON.parse(body) as { errors?: object; error_code?: string; msg?: string }
  if (errors) return JSON.stringify(errors)
  const isFailure = ['error_code', 'msg', 'message', 'errcode', 'error'].some(name => name in rest)
  return isFailure ? JSON.stringify({ ...rest, data: undefined }) : ''
}

export interface Leak {
  file: string
  what: string
  line: string
}

/** Looks for secrets in records: for those that are known, and for whatever looks like a JWT or a phone in full. */
export function findLeaks(target: string): Leak[] {
  const files = readdirSync(target).map(name => ({
    name,
    lines: readFileSync(join(target, name), 'utf8').split('\n'),
  }))
  const known = files.filter(({ name }) => name.startsWith('secret-')).flatMap(({ lines }) => lines)
  const phones = new Set(
    known.flatMap(value => digitsOf(value) ?? []).flatMap(digits => [digits, `86${digits}`]),
  )
  const words = new Set(known.filter(value => value.length >= 6 && !digitsOf(value)))
  return files
    .filter(({ name }) => !name.startsWith('secret-'))
    .flatMap(({ name: file, lines }) =>
      lines.flatMap(line => {
        const what = secretIn(line, phones, words)
        return what === undefined ? [] : [{ file, what, line }]
      }),
    )
}

const digitsOf = (value: string) => /^\+?(?:86)?(\d{7,15})$/.exec(value)?.[1]

const LOOKS_SECRET =
  /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*|\+\d{8,15}(?!\d)|(?<![\w.])(?:86)?1[3-9]\d{9}(?![\w.])/

const secretIn = (line: string, phones: Set<string>, words: Set<string>): string | undefined =>
  LOOKS_SECRET.exec(line)?.[0] ??
  line.match(/(?<![\d.])\d{7,15}/g)?.find(digits => phones.has(digits)) ??
  line.match(/[\w-]{6,}/g)?.find(word => words.has(word)) ??
  line.match(/[\w.+/=-]{6,}/g)?.find(word => words.has(word))
