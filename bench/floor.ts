import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { statements } from '../src/db/statements.ts'
import { APPID } from './keys.ts'
import type { Operation } from './operations.ts'
import { SESSION_ID } from './people.ts'
import type { Site } from './site.ts'

// The floor: the service's own statements, with nothing before PostgreSQL. By pgbench, where it is installed; otherwise by
// prepared statements over the driver, from several threads.

/** The people of the floor: not those whom the servers serve, whose refresh tokens would be reused. */
export interface FloorPeople {
  first: number
  last: number
}

/** The statements of an operation, with :n a person, :c and :m numbers that have not been used, in pgbench's language. */
export function scriptOf(operation: Operation): string[] {
  const [n, c, m] = [':n::bigint', ':c::bigint', ':m::bigint']
  const hash = `array[sha256(convert_to(${c} || '-' || ${m}, 'UTF8'))]`
  const claim = `overlay(overlay(md5(${c} || '-' || ${m}) placing '4' from 13) placing '8' from 17)::uuid`
  const phone = `'15' || lpad(mod(${c}, 1000000000)::text, 9, '0')`
  const info = `jsonb_build_object('phoneNumber', ${phone}, 'purePhoneNumber', ${phone}, 'countryCode', '86')`
  const token = `jsonb_build_object('iss', 'bench', 'aud', 'authenticated', 'iat', 1, 'exp', 2)`
  const session = SESSION_ID(n)
  const withValues = (name: keyof typeof statements, values: string[]) =>
    statements[name].text.replaceAll(/\$(\d+)/g, (_, n) => values[Number(n) - 1]!)
  switch (operation) {
    case 'bind':
      return [
        withValues('claimCode', [session, hash, `'${APPID}'`, claim, '30000']),
        withValues('bindPhone', [
          ...[session, hash, claim, `'${APPID}'`, `'phone'`, `'+86' || ${phone}`, info],
          ...['null', 'null', 'false'],
        ]),
      ]
    case 'sign-in':
      return [
        withValues('signIn', [
          `'${APPID}'`,
          `'oBench' || lpad((${n})::text, 22, '0')`,
          'null',
          'false',
          token,
        ]),
      ]
    case 'current user':
      return [withValues('getUser', [session])]
    case 'refresh':
      // A counter ahead of the row's rotates; the clock is always ahead.
      return [
        withValues('refreshSession', [
          ...[
            session,
            '(extract(epoch from clock_timestamp()) * 1000000)::bigint',
            'null::integer',
            'null::integer',
          ],
          token,
        ]),
      ]
  }
}

export const prologue = ({ first, last }: FloorPeople) =>
  [
    `\\set n random(${first}, ${last})`,
    '\\set c random(1, 1000000000000)',
    '\\set m random(1, 1000000000000)',
    '',
  ].join('\n')

export interface Floor {
  /** `pgbench 15.4`, or what took its place. */
  name: string
  /** Transactions a second. */
  measure(operation: Operation, connections: number, seconds: number): Promise<number>
}

export async function findFloor(site: Site, people: FloorPeople): Promise<Floor> {
  const pgbench = await findPgbench()
  return pgbench ? byPgbench(pgbench, site, people) : byDriver(site, people)
}

const run = promisify(execFile)

async function findPgbench(): Promise<string | undefined> {
  const debian = '/usr/lib/postgresql'
  const installed = existsSync(debian)
    ? readdirSync(debian).map(version => join(debian, version, 'bin/pgbench'))
    : []
  for (const program of ['pgbench', ...installed])
    if (await run(program, ['--version']).catch(() => undefined)) return program
}

async function byPgbench(program: string, site: Site, people: FloorPeople): Promise<Floor> {
  const { stdout } = await run(program, ['--version'])
  return {
    name: stdout.trim().replaceAll(/ \([^)]*\)/g, ''),
    async measure(operation, connections, seconds) {
      const directory = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-pgbench-'))
      try {
        const script = join(directory, 'script.sql')
        await writeFile(
          script,
          `${prologue(people)}${scriptOf(operation)
            .map(text => `${text.replaceAll(/\s+/g, ' ')};\n`)
            .join('')}`,
        )
        const threads = Math.min(2, connections)
        const { stdout } = await run(program, [
          ...['-n', '-M', 'prepared', '-f', script, '-c', String(connections), '-j', String(threads)],
          ...['-T', String(seconds), site.databaseUrl],
        ])
        if (!/number of failed transactions: 0 /.test(stdout)) throw new Error(`pgbench: ${stdout}`)
        return Number(/tps = ([\d.]+)/.exec(stdout)![1])
      } finally {
        await rm(directory, { recursive: true })
      }
    },
  }
}

/** Threads rather than one: the driver's own work must not be the floor. */
function byDriver(site: Site, { first, last }: FloorPeople): Floor {
  const threads = 2
  return {
    name: `prepared statements by node-postgres in ${threads} threads (no pgbench here)`,
    async measure(operation, connections, seconds) {
      const texts = scriptOf(operation).map(text =>
        text.replaceAll(':n', '$1').replaceAll(':c', '$2').replaceAll(':m', '$3'),
      )
      const each = Math.ceil(connections / threads)
      const counts = await Promise.all(
        Array.from(
          { length: Math.min(threads, connections) },
          () =>
            new Promise<number>((resolve, reject) => {
              const workerData = { url: site.databaseUrl, texts, connections: each, seconds, first, last }
              const worker = new Worker(new URL('floor_worker.ts', import.meta.url), { workerData })
              worker.once('message', resolve)
              worker.once('error', reject)
            }),
        ),
      )
      return counts.reduce((sum, count) => sum + count, 0) / seconds
    },
  }
}
