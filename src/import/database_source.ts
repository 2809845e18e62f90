import type pg from 'pg'
import { connect } from './connect.ts'
import { databaseQuery, describeTables } from './database_query.ts'
import { named } from './error.ts'
import { type Batch, count, emptyBatch, type Source } from './source.ts'
import type { SourceIdentity, SourceUser } from './users.ts'

/** How messages call it: the URL may have a password in it. */
const NAME = 'The database of --from'

interface Identity {
  provider: string
  id: string | null
  data: unknown
  created_at: string | null
  updated_at: string | null
  last_sign_in_at: string | null
}

interface Row extends Omit<SourceUser, 'line' | 'identities' | 'illFormed'> {
  is_deleted: boolean
  is_sso: boolean
  is_anonymous: boolean
  identities: Identity[]
}

/** The users of a GoTrue database (Supabase, MemFire) as they are at one moment. It is only read. */
export async function databaseSource(url: string): Promise<Source> {
  const client = await connect(url, NAME)
  try {
    // The settings are the transaction's, so a pooler may stand in between. Rows that the login may not see are an error.
    await client.query(
      `begin transaction isolation level repeatable read read only;
       set local datestyle = 'ISO'; set local row_security = off;
       set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0`,
    )
    const query = databaseQuery(await describeTables(client))
    await client.query(`declare source no scroll cursor for ${query}`)
  } catch (error) {
    await client.end().catch(() => {})
    throw named(NAME, error)
  }
  return { batches: size => batchesOf(client, size), close: () => client.end().catch(() => {}) }
}

async function* batchesOf(client: pg.Client, size: number): AsyncGenerator<Batch> {
  for (;;) {
    const { rows } = await client.query<Row>(`fetch ${size} from source`).catch(error => {
      throw named(NAME, error)
    })
    if (rows.length === 0) return
    yield toBatch(rows)
  }
}

function toBatch(rows: Row[]): Batch {
  const batch = emptyBatch()
  for (const row of rows) {
    const reason = reasonToLeaveOut(row)
    if (reason) count(batch.leftOut, reason)
    else batch.users.push(toUser(row, batch))
  }
  return batch
}

function reasonToLeaveOut(row: Row): string | undefined {
  if (row.is_deleted) return 'deleted'
  if (row.is_sso) return 'sso'
  // Some versions compute is_anonymous as "has neither e-mail nor phone": whom WeChat knows is not anonymous.
  const isKnown = row.wechat_id !== null || row.identities.some(isOfWechat)
  return row.is_anonymous && !isKnown ? 'anonymous' : undefined
}

const isOfWechat = ({ provider }: Identity) => provider === 'wechat_mini'

function toUser({ is_deleted, is_sso, is_anonymous, ...row }: Row, { otherIdentities }: Batch): SourceUser {
  for (const { provider } of row.identities.filter(identity => !isOfWechat(identity)))
    count(otherIdentities, provider.replace(/^sso:.*/, 'sso'))
  return { ...row, line: null, illFormed: [], identities: row.identities.filter(isOfWechat).map(toIdentity) }
}

/** What is known of an openid stands in the identity's data, under the names of WeChat or of OpenID Connect. */
function toIdentity({ id, data, created_at, updated_at, last_sign_in_at }: Identity): SourceIdentity {
  const members = (data ?? {}) as Record<string, unknown>
  const member = (name: string) => {
    const value = members[name]
    return typeof value === 'string' && value.trim() !== '' ? value.trim() : null
  }
  return {
    appid: member('appid'),
    openid: member('openid') ?? id ?? member('sub') ?? '',
    unionid: member('unionid'),
    created_at,
    updated_at,
    last_sign_in_at,
  }
}
