import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { pino } from 'pino'
import { type Env, parseConfig } from '../../src/config.ts'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { AppError } from '../../src/errors.ts'
import { SIMULATOR_APP_ID } from '../../src/simulator/index.ts'
import { createWechat, type Wechat } from '../../src/wechat/client.ts'
import type { Fetch } from '../../src/wechat/http.ts'
import type { TestDatabase } from '../support/database.ts'

export const APPID = SIMULATOR_APP_ID

/** A client as a node of the web service has it: connections of its own, and everything that it logs. */
export interface TestClient extends Wechat {
  db: Database
  /** One JSON text a line, down to the finest level. */
  logged: string[]
  close(): Promise<void>
}

export interface ClientOptions {
  db: Pick<TestDatabase, 'webUrl'>
  url: string
  env?: Env
  fetch?: Fetch
  marginMs?: number | undefined
}

export function createClient({ db, url, env, fetch, marginMs }: ClientOptions): TestClient {
  const config = parseConfig({
    DATABASE_URL: db.webUrl,
    JWT_SECRET: 'a secret of the tests, 32 bytes or more',
    WECHAT_API_URL: url,
    ...env,
  })
  const logged: string[] = []
  const log = pino({ level: 'trace', base: null }, { write: (line: string) => logged.push(line) })
  const database = openDatabase({ url: db.webUrl, poolSize: 3, timeoutMs: 10_000, log })
  const wechat = createWechat({
    config: config.wechat,
    apiUrl: config.wechat.apiUrl!,
    db: database,
    log,
    fetch,
    marginMs,
  })
  return { ...wechat, db: database, logged, close: () => database.close() }
}

/** The reasons in a client's log why WeChat did not answer properly. */
export const reasons = ({ logged }: TestClient): unknown[] =>
  logged.flatMap(line => {
    const { reason } = JSON.parse(line)
    return reason === undefined ? [] : [reason]
  })

/** A server that answers whatever a test wants, where WeChat and its simulator would not. */
export async function startServer(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, 'close')
    },
  }
}

/** The error of a promise that must fail. */
export async function failure(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    value => {
      throw new Error(`it succeeded: ${inspect(value)}`)
    },
    (error: unknown) => error,
  )
  if (!(error instanceof AppError)) throw error
  return error
}

/** Waits until a row of the database is as wanted; the test's own time limit is the only one. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 20))
}
