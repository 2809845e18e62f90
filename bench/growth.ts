import { totalmem } from 'node:os'
import { measureCleanUp, type WithCleanUp } from './clean_up.ts'
import { type Measured, measure } from './load.ts'
import { medianOf, ratiosOf } from './medians.ts'
import { graphql, type Operation, operations, type Protocol, rest } from './operations.ts'
import { makePeople, type Person, signInAll } from './people.ts'
import { type Server, type Site, type SiteDatabase, startSite } from './site.ts'
import { sizesOf, type TableSize } from './sizes.ts'

// Do ten million users cost more than a thousand? Two databases of one PostgreSQL, so of the same settings, memory and disk, each
// with a service of its own, are asked in turns.

export interface GrowthPlan {
  users: number
  rounds: number
  seconds: number
  /** Where PostgreSQL has its data; undefined: the system's temporary directory. */
  directory: string | undefined
}

const SMALL = 1_000
const CONNECTIONS = 32
/**
 * Who is asked in the large database: every 500th of ten million. Of the thousand all are asked. With as few there, what they
 * need would soon be in PostgreSQL's memory, and the size of the rest make no difference; so many people have some 2 GB of pages
 * for themselves, as the ones who are active at one time of the day.
 */
const SPREAD = 20_000

/** Of a server for this alone: a quarter of the memory, as PostgreSQL's manual has it, and checkpoints by the clock. */
const SETTINGS = {
  shared_buffers: `${Math.round(totalmem() / 2 ** 20 / 4)}MB`,
  max_wal_size: '16GB',
}
/** Nothing that is made is lost but by a crash, after which it would be made anew. */
const WHILE_FILLING = {
  ...{ ...SETTINGS, fsync: 'off', full_page_writes: 'off', wal_level: 'minimal', max_wal_senders: '0' },
  checkpoint_timeout: '1h',
}

export interface Compared {
  operation: Operation
  protocol: string
  small: Measured
  large: Measured
  /** Requests a second in the large database by those in the small one. */
  ratio: number
  /** The same of requests a second of processor time, which others on the machine disturb less; null without /proc. */
  processorRatio: number | null
}

export interface Growth {
  users: number
  settings: Record<string, string>
  /** Of the large database. */
  fillSeconds: number
  databaseMiB: number
  tables: TableSize[]
  compared: Compared[]
  cleanUp: WithCleanUp[]
}

/** A database, the service on it, and whom to ask there. */
export interface Place extends SiteDatabase {
  service: Server
  people: Person[]
}

export async function growth(plan: GrowthPlan): Promise<Growth> {
  const site = await startSite(plan.directory)
  try {
    await site.restart(WHILE_FILLING)
    const tiny = await site.addDatabase('small')
    await makePeople(tiny, SMALL, { aged: SMALL / 2 })
    const beganAt = Date.now()
    const say = (what: string) => console.log(`${seconds(beganAt)} s: ${what}`)
    await makePeople(site, plan.users, { aged: Math.floor(plan.users / 2), onProgress: say })
    const fillSeconds = seconds(beganAt)
    const { databaseMiB, tables } = await sizesOf(site)
    console.log(`${plan.users} users: ${databaseMiB} MiB, made in ${fillSeconds} s`)
    console.table(tables)
    await site.restart(SETTINGS)

    const wechat = (await site.launch(['bench/rivals/wechat.ts'], {})).url
    const placeOf = async (database: SiteDatabase, count: number, step: number): Promise<Place> => ({
      ...database,
      service: await site.serve(wechat, { DATABASE_URL: database.databaseUrl }),
      people: await signInAll(count, step),
    })
    const small = await placeOf(tiny, SMALL, 1)
    const asked = Math.min(SPREAD, plan.users)
    const large = await placeOf(site, asked, Math.floor(plan.users / asked))
    const compared = await compareAll(plan, site, small, large)
    const cleanUp = await measureCleanUp(plan, site, large)
    return { users: plan.users, settings: SETTINGS, fillSeconds, databaseMiB, tables, compared, cleanUp }
  } finally {
    await site.close()
  }
}

async function compareAll(plan: GrowthPlan, site: Site, small: Place, large: Place): Promise<Compared[]> {
  const protocols: [string, Protocol][] = Object.entries({ REST: rest, GraphQL: graphql })
  const all: Compared[] = []
  for (const operation of operations) {
    // So long that nearly everybody has been asked once.
    for (const place of [small, large]) await ask(site, place, rest, operation, 4 * plan.seconds)
    for (const [name, protocol] of protocols) {
      const found = { small: [] as Measured[], large: [] as Measured[] }
      for (let round = 0; round < plan.rounds; round++) {
        found.small.push(await ask(site, small, protocol, operation, plan.seconds))
        found.large.push(await ask(site, large, protocol, operation, plan.seconds))
      }
      const [ofSmall, ofLarge] = [medianOf(found.small), medianOf(found.large)]
      const ratios = ratiosOf(ofLarge, ofSmall)
      all.push({ operation, protocol: name, small: ofSmall, large: ofLarge, ...ratios })
      print(all.at(-1)!)
    }
  }
  return all
}

export const ask = (site: Site, place: Place, protocol: Protocol, operation: Operation, seconds: number) =>
  measure({
    ...{
      url: place.service.url,
      protocol,
      operation,
      people: place.people,
      connections: CONNECTIONS,
      seconds,
    },
    pids: { server: place.service.pid, postgres: site.postgres },
  })

const seconds = (since: number) => Math.round((Date.now() - since) / 1000)

function print({ operation, protocol, small, large, ratio, processorRatio }: Compared): void {
  console.log(`\n${operation}, ${protocol}: large ÷ small ${ratio}; by processor time ${processorRatio}`)
  console.table({ small, large })
}
