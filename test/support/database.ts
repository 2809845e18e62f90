import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

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
  drop(): Promise<void>
}

/** A fresh database of this test's own: migrated (a copy of the template), or empty. */
export async function createDatabase({ migrated = true } = {}): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await asOwner(client =>
    client.query(`create database ${name} ${migrated ? 'template template_migrated' : ''}`),
  )
  const ownerUrl = withDatabase(process.env.TEST_OWNER_URL!, name)
  const owner = new pg.Pool({ connectionString: ownerUrl, max: 4 })
  owner.on('error', () => {})
  const rows = async <Row extends object>(text: string, values?: unknown[]) =>
    (await owner.query<Row>(text, values)).rows
  return {
    webUrl: withDatabase(process.env.TEST_WEB_URL!, name),
    ownerUrl,
    owner,
    rows,
    row: async <Row extends object>(text: string, values?: unknown[]) => (await rows<Row>(text, values))[0]!,
    async drop() {
      await owner.end()
      await asOwner(client => dropDatabase(client, name))
    },
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

async function asOwner(work: (client: pg.Client) => Promise<unknown>) {
  const client = new pg.Client({ connectionString: process.env.TEST_OWNER_URL! })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

function withDatabase(url: string, name: string): string {
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}
