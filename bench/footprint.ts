import pg from 'pg'
import { scriptOf } from './floor.ts'
import { type Operation, operations } from './operations.ts'
import { makePeople } from './people.ts'
import { type Site, startSite } from './site.ts'

// What an operation leaves: bytes of WAL, and bytes of each table and its indexes. Counted, not timed, so the load of the
// machine does not matter. The statements are those of the floor, one after the other.

const USERS = 100_000
const TIMES = 500
/** As in src/tasks/relay.ts. */
const BATCH = 500

interface Written {
  records: number
  /** Pages that were written whole, because it was their first change since the checkpoint. */
  pages: number
  bytes: number
}

export interface Footprint {
  users: number
  /** An operation, on average: right after a checkpoint, and where all pages have been changed since one. */
  wal: { operation: string; cold: Written; warm: Written }[]
  /** Bytes a row, with its share of the indexes. */
  tables: { table: string; rows: number; bytes: number; indexBytes: number }[]
  /** Events a second that one call of the relay after the other moves to one subscriber. */
  relayPerSecond: number
}

export async function findFootprint(): Promise<Footprint> {
  const site = await startSite()
  const web = new pg.Client({ connectionString: site.databaseUrl })
  try {
    await makePeople(site, USERS)
    await web.connect()
    const wal: Footprint['wal'] = []
    // All pages are new: nothing is written whole.
    const warm = []
    for (const operation of operations) warm.push(await written(site, web, () => repeat(web, operation)))
    for (const [i, operation] of operations.entries()) {
      await checkpoint(site)
      const cold = await written(site, web, () => repeat(web, operation))
      wal.push({ operation, cold, warm: warm[i]! })
    }
    await site.query('vacuum (analyze)')
    return { users: USERS, wal, tables: await sizes(site), relayPerSecond: await relay(site) }
  } finally {
    await web.end()
    await site.close()
  }
}

/** A copy of the files of a database begins with one, and needs no superuser. */
async function checkpoint(site: Site): Promise<void> {
  await site.query('create database checkpointed strategy file_copy')
  await site.query('drop database checkpointed')
}

/** The events of the operations above, in the worker's batches. */
async function relay(site: Site): Promise<number> {
  await site.query(`insert into auth_private.webhooks (url, secret) values ('http://127.0.0.1:9/', $1)`, [
    `whsec_${Buffer.alloc(32).toString('base64')}`,
  ])
  let moved = 0
  const begin = performance.now()
  for (let last = BATCH; last === BATCH; moved += last)
    last = (await site.query<{ moved: number }>('select auth_private.relay_events($1) as moved', [BATCH]))[0]!
      .moved
  return (moved * 1000) / (performance.now() - begin)
}

async function repeat(web: pg.Client, operation: Operation): Promise<void> {
  const random = () => 1 + Math.floor(Math.random() * 2 ** 40)
  for (let i = 0; i < TIMES; i++) {
    const [n, c, m] = [1 + Math.floor(Math.random() * USERS), random(), random()]
    for (const text of scriptOf(operation))
      await web.query(text.replaceAll(':n', `${n}`).replaceAll(':c', `${c}`).replaceAll(':m', `${m}`))
  }
}

async function written(site: Site, web: pg.Client, work: () => Promise<void>): Promise<Written> {
  const now = async () => {
    // What a backend has counted is told once a second at most, unless it is asked to.
    await web.query('select pg_stat_force_next_flush()')
    const [row] = await site.query<Record<string, string>>(
      `select wal_records, wal_fpi, pg_current_wal_insert_lsn() - '0/0' as bytes from pg_stat_wal`,
    )
    return Object.values(row!).map(Number)
  }
  const before = await now()
  await work()
  const after = await now()
  const [records, pages, bytes] = after.map((value, i) => (value - before[i]!) / TIMES)
  return { records: records!, pages: pages!, bytes: bytes! }
}

const sizes = (site: Site) =>
  site.query<Footprint['tables'][number]>(
    `select c.oid::regclass::text as table, c.reltuples::int as rows, pg_total_relation_size(c.oid)::int as bytes,
       pg_indexes_size(c.oid)::int as "indexBytes"
     from pg_class c where c.relnamespace in ('auth'::regnamespace, 'auth_private'::regnamespace) and c.relkind = 'r'
       and c.reltuples >= 1000
     order by 3 desc`,
  )
