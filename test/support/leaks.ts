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

/** Keeps what a process logs: all of its error output, and the lines of JSON. The banner, with its keys, is for people. */
export function recordOutput({ stdout, stderr }: ChildProcess): void {
  createInterface({ input: stdout! }).on('line', line => line.startsWith('{') && record('log', line))
  createInterface({ input: stderr! }).on('line', line => record('log', line))
}

/** A log that says everything, to the records. */
export function recordedLog(): Logger {
  const target = directory()
  return target
    ? createLog('trace', pino.destination(join(target, `log-${process.pid}.txt`)))
    : createLog('silent')
}

/** A masked phone, of the audit log, is none. */
const OUR_SECRETS = /"(access_?token|refresh_?token|phone)":"([^"*]+)"/gi
const WECHATS_SECRETS = /"(?:access_token|session_key|code|phoneNumber|purePhoneNumber)":"([^"]+)"/g

const METRICS = 'text/plain; version=0.0.4; charset=utf-8'
/** Some gigabytes look like a phone. */
const BYTES = /^\w+_bytes(\{.*\})? .*$/gm

/** Keeps what the service answers, but for what a success is there to tell: tokens and phone of its own user. */
export const recordAnswers = onAnswer((req, res, body) => {
  for (const [, , value] of body.matchAll(OUR_SECRETS)) secret(value!)
  const type = String(res.getHeader('content-type'))
  const shown = type.startsWith('text/html') ? '' : type === METRICS ? body.replace(BYTES, '') : body
  const text = shown.replace(OUR_SECRETS, '"$1":"…"')
  record('answer', `${req.method} ${res.statusCode} ${JSON.stringify(res.getHeaders())} ${text}`)
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
  const find = finderOf(files.filter(({ name }) => name.startsWith('secret-')).flatMap(({ lines }) => lines))
  return files
    .filter(({ name }) => !name.startsWith('secret-'))
    .flatMap(({ name: file, lines }) =>
      lines.flatMap(line => {
        const what = find(line)
        return what === undefined ? [] : [{ file, what, line }]
      }),
    )
}

const LOOKS_SECRET =
  /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*|\+\d{8,15}(?!\d)|(?<![\w.])(?:(?:00)?86)?1[3-9]\d{9}(?![\w.])/

const digitsOf = (value: string) => /^\+?(?:86)?(\d{7,15})$/.exec(value)?.[1]

/** Finds a secret wherever it stands in a line, by its first characters; a phone by its digits, however it is written. */
function finderOf(known: string[]): (line: string) => string | undefined {
  const phones = new Set(known.flatMap(value => digitsOf(value) ?? []))
  const PREFIX = 6
  const byPrefix = new Map<string, string[]>()
  for (const value of new Set(known)) {
    if (value.length < PREFIX || digitsOf(value)) continue
    for (const form of new Set([value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)])) {
      const prefix = form.slice(0, PREFIX)
      byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), form])
    }
  }
  const isPhone = (digits: string) =>
    [0, 2, 4].some(length => /^(|86|0086)$/.test(digits.slice(0, length)) && phones.has(digits.slice(length)))

  return line => {
    const looks = LOOKS_SECRET.exec(line)?.[0]
    if (looks !== undefined) return looks
    const phone = line
      .match(/(?<![\w.])\+?\d[\d ()-]{5,20}\d(?!\w|\.\d)/g)
      ?.find(text => isPhone(text.replace(/\D/g, '')))
    if (phone !== undefined) return phone
    for (let at = 0; at + PREFIX <= line.length; at++) {
      const found = byPrefix.get(line.slice(at, at + PREFIX))?.find(value => line.startsWith(value, at))
      if (found !== undefined) return found
    }
    return undefined
  }
}
