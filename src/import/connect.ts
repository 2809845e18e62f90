import pg from 'pg'
import { ImportError, wordsOf } from './error.ts'

/** A connection; `name` stands for the database in messages, which never have the URL. */
export async function connect(url: string, name: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'postgraphile-wechat import',
    connectionTimeoutMillis: 15_000,
    keepAlive: true,
  })
  // Whoever has a statement under way hears of it from that.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (error) {
    await client.end().catch(() => {})
    throw new ImportError(`${name} cannot be reached: ${wordsOf(error)}`, { cause: error })
  }
}
