// Hop before: src/start.ts, which lets the playground look on. Hop after: src/playground/steps.ts.
import type { RequestHandler } from 'express'
import type pg from 'pg'
import { requestStore } from '../log.ts'
import type { Fetch } from '../wechat/http.ts'
import type { Steps } from './steps.ts'

/** Requests to the service itself; the playground's own, the simulator's and the probes are no part of the story. */
export const watchRequests =
  (steps: Steps): RequestHandler =>
  (req, res, next) => {
    const request = requestStore.getStore()?.req_id
    const path = req.originalUrl.split('?')[0]!
    if (
      request !== undefined &&
      /^\/(auth\/v1|graphql|wechat)(\/|$)/.test(path) &&
      req.method !== 'OPTIONS'
    ) {
      const end = steps.begin({ kind: 'http', request, method: req.method, path })
      res.once('close', () => end({ status: res.statusCode }))
    }
    next()
  }

/** Every statement that a request causes, on whatever connection of the pool. */
export function watchPool(steps: Steps, pool: pg.Pool): void {
  // Whoever was connected before us is met when he is used.
  const known = new WeakSet<pg.PoolClient>()
  pool.on('acquire', client => {
    if (known.has(client)) return
    known.add(client)
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    const watched = (...args: unknown[]) => {
      const result = query(...args)
      const request = steps.servedRequest()
      if (request !== undefined && result instanceof Promise) watchStatement(steps, request, args, result)
      return result
    }
    client.query = watched as typeof client.query
  })
}

function watchStatement(steps: Steps, request: string, args: unknown[], result: Promise<unknown>) {
  const [config, given] = args as [string | pg.QueryConfig, unknown[]?]
  const { name, text, values }: pg.QueryConfig =
    typeof config === 'string' ? { text: config, ...(given && { values: given }) } : config
  // WeChat's, which may be the real one, is nobody's business.
  const handlesToken = name?.endsWith('_access_token') ?? false
  const end = steps.begin({
    kind: 'sql',
    request,
    name,
    text: text.trim(),
    values: handlesToken ? ['…'] : (values ?? []).map(shown),
  })
  result.then(
    answer => {
      const { rowCount, rows } = answer as pg.QueryResult
      end({ rows: rowCount ?? 0, first: handlesToken ? hidden(rows?.[0]) : rows?.[0] })
    },
    (error: Error) => end({ error: error.message }),
  )
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`
  if (Array.isArray(value)) return `{${value.map(shown).join(',')}}`
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const SECRET = /^(secret|access_token|dead_token|session_key)$/

/** Every call of WeChat, without what is secret in it. */
export const watchFetch =
  (steps: Steps, fetch: Fetch): Fetch =>
  async (url, init) => {
    const request = steps.servedRequest()
    if (request === undefined) return fetch(url, init)
    const { pathname, searchParams } = new URL(url)
    const query = [...searchParams].map(([name, value]) => `${name}=${SECRET.test(name) ? '…' : value}`)
    const end = steps.begin({
      kind: 'wechat',
      request,
      method: init.method,
      path: [pathname.replace(/^\/simulator/, ''), ...(query.length > 0 ? [query.join('&')] : [])].join('?'),
      body: init.body === undefined ? undefined : parsed(Buffer.from(init.body)),
    })
    const failed = (error: unknown) => {
      end({
        error: init.signal.aborted ? 'no answer in time' : ((error as { code?: string }).code ?? 'no answer'),
      })
      throw error
    }
    const response = await fetch(url, init).catch(failed)
    return {
      status: response.status,
      async arrayBuffer() {
        const bytes = await response.arrayBuffer().catch(failed)
        end({ status: response.status, answer: parsed(Buffer.from(bytes)) })
        return bytes
      },
    }
  }

const hideSecret = (name: string, value: unknown) => (SECRET.test(name) && value !== null ? '…' : value)

const hidden = (row: unknown) => row && JSON.parse(JSON.stringify(row), hideSecret)

/** JSON without what is secret in it; of all else its size. */
function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString(), hideSecret)
  } catch {
    return `${bytes.length} bytes`
  }
}
