import { readFileSync } from 'node:fs'
import autocannon from 'autocannon'
import { median } from './medians.ts'
import { graphql, operations, requestOf, rest } from './operations.ts'
import { makePeople, type Person, signInAll } from './people.ts'
import { startSite } from './site.ts'

// How much memory the service takes under load that lasts: all operations by both entrances, mixed.

const USERS = 1_000
const CONNECTIONS = 32
const EVERY_MS = 5_000

export interface MemoryUse {
  /** MiB of resident memory. */
  highest: number
  /** Medians: of the second minute, when everything has been compiled, and of the last one. */
  atBeginning: number
  atEnd: number
  perSecond: number
  errors: number
  /** Seconds since the load began, and MiB. */
  samples: [number, number][]
}

export async function memory(minutes: number): Promise<MemoryUse> {
  const site = await startSite()
  try {
    await makePeople(site, USERS)
    const wechat = (await site.launch(['bench/rivals/wechat.ts'], {})).url
    const service = await site.serve(wechat)
    const people = await signInAll(USERS, 1)
    console.log(`${residentMiB(service.pid)} MiB before the first request`)
    const beganAt = Date.now()
    const samples: [number, number][] = []
    const timer = setInterval(() => {
      samples.push([Math.round((Date.now() - beganAt) / 1000), residentMiB(service.pid)])
      console.log(`${samples.at(-1)![0]} s: ${samples.at(-1)![1]} MiB`)
    }, EVERY_MS)
    const { perSecond, errors } = await load(service.url, people, minutes * 60).finally(() =>
      clearInterval(timer),
    )
    // A quarter of what there is, where that is shorter.
    const minute = Math.min(60, minutes * 15)
    const between = (from: number, to: number) =>
      median(samples.filter(([at]) => at > from && at <= to).map(([, mib]) => mib))
    const use = {
      highest: Math.max(...samples.map(([, mib]) => mib)),
      atBeginning: between(minute, 2 * minute),
      atEnd: between(minutes * 60 - minute, minutes * 60 + minute),
      ...{ perSecond, errors },
    }
    console.table([use])
    return { ...use, samples }
  } finally {
    await site.close()
  }
}

async function load(url: string, people: Person[], duration: number) {
  const kinds = [rest, graphql].flatMap(protocol => operations.map(operation => ({ protocol, operation })))
  let next = 0
  const result = await autocannon({
    ...{ url, connections: CONNECTIONS, duration },
    requests: [
      {
        setupRequest(request) {
          const round = Math.floor(next / people.length)
          // Another kind for everybody in every round.
          const { protocol, operation } = kinds[(next + round) % kinds.length]!
          const person = people[next++ % people.length]!
          const { method, path, headers, body } = requestOf(protocol, operation, person)
          return Object.assign(request, { method, path, headers, body })
        },
      },
    ],
    verifyBody: body => body !== undefined && !String(body).includes('"errors"'),
  })
  return {
    perSecond: Math.round(result['2xx'] / result.duration),
    errors: result.non2xx + result.errors + result.mismatches + result.timeouts,
  }
}

/** Linux only. */
function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]
  return Math.round(Number(kib) / 1024)
}
