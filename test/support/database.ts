import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { record } from './leaks.ts'
import { type Server, servers } from './servers.ts'

/** The migrated database of which every test's own is a copy. */
export const TEMPLATE = 'template_migrated'

export interface TestDatabase {
  /** Login of the web service. */
  webUrl: string
  /** Owner of the schema. */
  ownerUrl: string
  /** Queries as the owner. */
  owner: pg.Pool
  /** The first row of a query of the owner's. */
  row<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row>
  /** All rows. */
  rows<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>
  /** Works as the owner in a transaction that is rolled back. */
  experiment<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T>
  drop(): Promise<void>
}

/** A fresh database of this test's own: migrated (a copy of the template), or empty. */
export async function createDatabase({
  migrated = true,
  server = servers[0]!,
}: {
  migrated?: boolean
  server?: Server
} = {}): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await asOwner(server, client =>
    client.query(`create database ${name} ${migrated ? `template ${TEMPLATE}` : ''}`),
  )
  const ownerUrl = withDatabase(server.ownerUrl, name)
  const owner = new pg.Pool({ connectionString: ownerUrl, max: 4 })
  owner.on('error', () => {})
  const rows = async <Row extends object>(text: string, values?: unknown[]) =>
    (await owner.query<Row>(text, values)).rows
  return {
    webUrl: withDatabase(server.webUrl, name),
    ownerUrl,
    owner,
    rows,
    row: async <Row extends object>(text: string, values?: unknown[]) => (await rows<Row>(text, values))[0]!,
    experiment: work => experiment(owner, work),
    async drop() {
      await recordStored(owner)
      await owner.end()
      await asOwner(server, client => dropDatabase(client, name))
    },
  }
}

/** Where phones, WeChat's access tokens and webhooks' secrets are kept; nothing else may hold one. */
const KEEPERS = [
  'auth.users',
  'auth.phone_changes',
  'auth_private.events',
  'auth_private.wechat_access_tokens',
  'auth_private.webhooks',
]

/** Everything else that is stored, for the leak scan. */
async function recordStored(owner: pg.Pool) {
  const { rows: tables } = await owner.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname in ('auth', 'auth_private', 'graphile_worker')`,
  )
  for (const { name } of tables) {
    if (KEEPERS.includes(name)) continue
    const { rows } = await owner.query<{ row: string }>(
      `select to_jsonb(t)::text as row from ${name} t limit 5000`,
    )
    for (const { row } of rows) record('database', `${name} ${row}`)
  }
}

async function experiment<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    return await work(client)
  } finally {
    await client.query('rollback')
    client.release()
  }
}

/** The owner may not end the web service's connections, which live on for a moment after they were closed. */
async function dropDatabase(client: pg.Client, name: string) {
  for (const giveUpAt = Date.now() + 15_000; ; await sleep(50)) {
    try {
      return await client.query(`drop database ${name} with (force)`)
    } catch (error) {
      const isInUse = ['42501', '55006'].includes((error as pg.DatabaseError).code ?? '')
      if (!isInUse || Date.now() > giveUpAt) throw error
    }
  }
}

async function asOwner({ ownerUrl }: Server, work: (client: pg.Client) => Promise<unknown>) {
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

/** The URL of another database of the same server. */
export function withDatabase(url: string, name: string): string {
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}
