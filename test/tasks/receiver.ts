import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import type { EventBody } from '../../src/tasks/auth_event.ts'
import type { TestDatabase } from '../support/database.ts'
import { secret } from '../support/leaks.ts'

export interface Received {
  event: EventBody
  messageId: string
  headers: http.IncomingHttpHeaders
  body: string
}

/** What it answers: a status, or all of it; null: nothing at all. */
export type Answer = number | null | { status: number; headers?: Record<string, string>; body?: string }
export type Behaviour = (received: Received, times: number) => Answer | Promise<Answer>

/** Somebody's server that takes webhooks; `behave` decides about each, and `times` says how often it came. */
export async function startReceiver(behave: Behaviour = () => 204) {
  const received: Received[] = []
  const connections = { open: 0, most: 0 }
  const server = http.createServer(async (req, res) => {
    connections.open++
    connections.most = Math.max(connections.most, connections.open)
    res.once('close', () => connections.open--)
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const messageId = String(req.headers['webhook-id'])
    const one = { event: JSON.parse(body) as EventBody, messageId, headers: req.headers, body }
    received.push(one)
    const times = received.filter(other => other.messageId === messageId).length
    const answer = await behave(one, times)
    if (answer === null) return
    const { status, headers = {}, body: text = '' } = typeof answer === 'number' ? { status: answer } : answer
    res.writeHead(status, headers).end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    received,
    /** How many requests there were at once, at most. */
    most: () => connections.most,
    about: (userId: string) => received.filter(({ event }) => event.data.user_id === userId),
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
export type Receiver = Awaited<ReturnType<typeof startReceiver>>

/** Adds a subscriber as administrators do. */
export async function subscribe(db: TestDatabase, url: string, events: string[] | null = null) {
  const webhook = await db.row<{ id: string; secret: string }>(
    'select id, secret from auth.admin_add_webhook($1, $2)',
    [url, events],
  )
  secret(webhook.secret)
  return { id: webhook.id, verify: verifier(webhook.secret) }
}

/** What the library says of a request: the event, or an error. */
const verifier =
  (key: string) =>
  ({ body, headers }: Received) =>
    new Webhook(key).verify(body, headers as Record<string, string>) as EventBody

/** Writes events about one user, in order, and answers their ids. */
export async function writeAbout(db: TestDatabase, userId: string, types: string[]): Promise<string[]> {
  const rows = await db.rows<{ id: string }>(
    `insert into auth_private.events (type, user_id)
     select type, $1 from unnest($2::text[]) with ordinality t (type, n) order by n returning id`,
    [userId, types],
  )
  return rows.map(({ id }) => id)
}

export const eventIdOf = ({ messageId }: Received) => messageId.split('_').at(-1)!
