// Before: src/doctor/context.ts. After: PostgreSQL.
import type { Socket } from 'node:net'
import pg from 'pg'
import { isReadTimeout } from '../db/errors.ts'
import { Trouble, within } from './finding.ts'

export const LIMITS = { connectMs: 4_000, queryMs: 4_000 }

/** A connection, which the checks share. */
export interface Session {
  /** `authenticator at db.example.com:5432/app`. */
  place: string
  /** Works on the connection while nobody else does. Once a statement had no answer in time, none is sent any more. */
  alone<T>(work: (client: pg.Client) => Promise<T>): Promise<T>
  rows<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>
  row<Row extends object>(text: string, values?: unknown[]): Promise<Row>
  /** At once, whatever is under way. */
  close(): void
}

export type UrlName = 'DATABASE_URL' | 'DATABASE_OWNER_URL'

/** Raises Trouble, which says what to do. */
export async function openSession(name: UrlName, url: string, isEmbedded: boolean): Promise<Session> {
  const client = connectionOf(name, url)
  const place = placeOf(client)
  const late = () => Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })
  try {
    await within(LIMITS.connectMs, client.connect(), late)
  } catch (error) {
    // The stream is the driver's own; its types do not have it.
    ;(client as unknown as { connection: { stream: Socket } }).connection.stream.destroy()
    throw troubleOf(name, place, error as Error & { code?: string }, isEmbedded)
  }
  const alone = queueOn(client)
  const rows = <Row extends object>(text: string, values?: unknown[]) =>
    alone(async () => (await client.query<Row>(text, values)).rows)
  const row = async <Row extends object>(text: string, values?: unknown[]) =>
    (await rows<Row>(text, values))[0]!
  const close = () => void client.end().catch(() => {})
  return { place, alone, rows, row, close }
}

function queueOn(client: pg.Client): Session['alone'] {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const next = last.then(
      () => work(client),
      error => {
        if (isReadTimeout(error)) throw error
        return work(client)
      },
    )
    last = next
    return next
  }
}

function connectionOf(name: UrlName, url: string): pg.Client {
  try {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'postgraphile-wechat doctor',
      query_timeout: LIMITS.queryMs,
    })
    client.on('error', () => {})
    return client
  } catch (error) {
    const { message } = error as Error
    // Node's text does not quote the URL; that of a missing certificate names the file.
    throw new Trouble(
      `${name} cannot be used: ${message}`,
      'It is postgres://login:password@host:port/database; a password of letters and digits needs no escapes (%40 for @), and files that it names must be readable.',
      `${name} cannot be used`,
    )
  }
}

/** As the driver has it, of the URL and of PGHOST and its like; without the password. */
const placeOf = ({ user, host, port, database }: pg.Client) =>
  `${user ?? 'nobody'} at ${host}:${port}/${database}`

function troubleOf(
  name: UrlName,
  place: string,
  error: Error & { code?: string },
  isEmbedded: boolean,
): Trouble {
  const code = codeOf(error)
  const because = `the database of ${name} is not reached`
  if (isEmbedded && ['ECONNREFUSED', 'ENOENT'].includes(code))
    return new Trouble(
      `the embedded database is not running (${place})`,
      'Start it with npm start, and run doctor beside it.',
      'the embedded database is not running',
    )
  const why = code === 'ETIMEDOUT' ? `no answer within ${LIMITS.connectMs / 1000} s` : wordsOf(error)
  return new Trouble(`${place}: ${why}`, helpOf(name, code, error.message), because)
}

/** Of several addresses of one name, the first that was tried. */
const firstOf = (error: Error): Error & { code?: string } =>
  error instanceof AggregateError ? error.errors[0] : error
const codeOf = (error: Error) => firstOf(error).code ?? ''
export const wordsOf = (error: Error) => firstOf(error).message || codeOf(error) || 'no reason was given'

function helpOf(name: UrlName, code: string, message: string): string {
  const byCode: Record<string, string> = {
    '28P01': `The login or the password in ${name} is wrong. "alter role … login password '…'" as the owner sets another one; escape what is neither a letter nor a digit (%40 for @).`,
    '28000':
      'PostgreSQL does not let this login in: pg_hba.conf has no line for it and this machine, it may not log in (alter role … login), or TLS is wanted (?sslmode=require).',
    '3D000': `There is no such database: compare the last part of ${name}.`,
    '53300':
      'All connections are taken. Raise max_connections, lower DATABASE_POOL_SIZE of the nodes, or put PgBouncer in between (docs/operations.md).',
    '57P03': 'The server is starting up, or shutting down: wait, and look at its log.',
    ECONNREFUSED: `Nobody listens there. Is PostgreSQL running, does it listen on that address (listen_addresses), and are host and port of ${name} right?`,
    ENOTFOUND: `The name is not known to this machine: compare the host in ${name}, and its DNS.`,
    EAI_AGAIN: 'This machine cannot ask for names: look at its DNS.',
    ETIMEDOUT: `Something takes the packets and says nothing: a firewall or a security group on the way, or another host than meant in ${name}.`,
  }
  if (/SSL|certificate|TLS/i.test(message))
    return `TLS fails: compare sslmode and sslrootcert in ${name} with what the server has.`
  return byCode[code] ?? `Compare ${name}, and look at the log of the server.`
}

/**
 * Whether something between us and the server hands out its connections: then the server's process is another one than that of
 * the handshake.
 */
export const isPooled = ({ alone }: Session): Promise<boolean> =>
  alone(async client => {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return rows[0]!.pid !== (client as unknown as { processID: number }).processID
  })
