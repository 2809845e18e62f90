import { readdirSync, readFileSync } from 'node:fs'
import autocannon from 'autocannon'
import { type Operation, type Protocol, requestOf } from './operations.ts'
import type { Person } from './people.ts'

export interface Measured {
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Milliseconds of processor time a request, of the server's process and of PostgreSQL's; null where /proc is not Linux's. */
  nodeMs: number | null
  postgresMs: number | null
  /** Requests that were lost, refused, or answered with an error. */
  errors: number
}

export interface Load {
  url: string
  protocol: Protocol
  operation: Operation
  people: Person[]
  connections: number
  seconds: number
  /** Whose processor time is counted. */
  pids: { server: number; postgres: number }
}

/** Asks a server as fast as it answers. */
export async function measure({
  url,
  protocol,
  operation,
  people,
  connections,
  seconds,
  pids,
}: Load): Promise<Measured> {
  let next = Math.floor(Math.random() * people.length)
  const before = processorTimes(pids)
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    requests: [
      {
        setupRequest(request) {
          const person = people[next++ % people.length]!
          const { method, path, headers, body } = requestOf(protocol, operation, person)
          return Object.assign(request, { method, path, headers, body })
        },
      },
    ],
    verifyBody: body => body !== undefined && !String(body).includes('"errors"'),
  })
  const after = processorTimes(pids)
  const { '2xx': answered, non2xx, errors, mismatches, timeouts, latency, duration } = result
  const each = (kind: 'server' | 'postgres') =>
    before && after ? ((after[kind] - before[kind]) * 1000) / Math.max(1, answered) : null
  return {
    perSecond: (answered - mismatches) / duration,
    p50: latency.p50,
    p99: latency.p99,
    nodeMs: each('server'),
    postgresMs: each('postgres'),
    errors: non2xx + errors + mismatches + timeouts,
  }
}

/** proc(5) counts in these, a second, on every Linux of today. */
const TICKS = 100

/** Seconds of processor time; undefined where there is no /proc. */
function processorTimes({ server, postgres }: Load['pids']) {
  try {
    const all = readdirSync('/proc').filter(name => /^\d+$/.test(name))
    const stats = new Map(all.flatMap(pid => statOf(pid) ?? []))
    const backends = [...stats].filter(([pid, { parent }]) => parent === postgres || pid === postgres)
    // Those that have ended are counted with the parent.
    const ended = stats.get(postgres)?.ended ?? 0
    return {
      server: (stats.get(server)?.own ?? 0) / TICKS,
      postgres: (backends.reduce((sum, [, { own }]) => sum + own, 0) + ended) / TICKS,
    }
  } catch {
    return undefined
  }
}

function statOf(pid: string): [number, { parent: number; own: number; ended: number }][] | undefined {
  try {
    // The name, in brackets, may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ').map(Number)
    const [parent, own, ended] = [fields[1]!, fields[11]! + fields[12]!, fields[13]! + fields[14]!]
    return [[Number(pid), { parent, own, ended }]]
  } catch {
    // It has ended meanwhile.
  }
}
