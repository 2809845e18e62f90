import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { secret } from '../support/leaks.ts'
import type { Random } from './crash_random.ts'
import type { Site } from './crash_site.ts'

export interface Receiver {
  /** Adds it to the subscribers. */
  subscribe(rows: Site['rows']): Promise<void>
  /** Which events it has accepted, in the order in which they came; some more than once. */
  arrivals: { eventId: string; userId: string }[]
  /** What must not come: a wrong signature, say. */
  faults: string[]
  close(): Promise<void>
}

/** A webhook that takes its time, and refuses some the first time that they come. */
export async function startReceiver(random: Random): Promise<Receiver> {
  const arrivals: Receiver['arrivals'] = []
  const faults: string[] = []
  const refused = new Set<string>()
  let webhook: Webhook

  async function answer(req: http.IncomingMessage): Promise<number> {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const { data } = webhook.verify(
      Buffer.concat(chunks).toString(),
      req.headers as Record<string, string>,
    ) as { data: { user_id: string } }
    await sleep(random.between(0, 40))
    const messageId = String(req.headers['webhook-id'])
    if (!refused.has(messageId) && random.chance(3)) {
      refused.add(messageId)
      return 500
    }
    arrivals.push({ eventId: messageId.split('_').at(-1)!, userId: data.user_id })
    return 204
  }
  const server = http.createServer((req, res) => {
    answer(req).then(
      status => res.writeHead(status).end(),
      (error: Error & { code?: string }) => {
        // Who was killed while it sent says no more.
        if (error.code !== 'ECONNRESET') faults.push(error.message)
        res.destroy()
      },
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    arrivals,
    faults,
    async subscribe(rows) {
      const [added] = await rows<{ secret: string }>(
        `select secret from auth.admin_add_webhook('http://127.0.0.1:${port}/events')`,
      )
      webhook = new Webhook(secret(added!.secret))
    },
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Events of a user that came for the first time after a later one of his. */
export function overtaken({ arrivals }: Receiver): string[] {
  const latest = new Map<string, number>()
  const seen = new Set<string>()
  return arrivals.flatMap(({ eventId, userId }) => {
    if (seen.has(eventId)) return []
    seen.add(eventId)
    const id = Number(eventId)
    const isLate = id < (latest.get(userId) ?? 0)
    latest.set(userId, Math.max(id, latest.get(userId) ?? 0))
    return isLate ? [eventId] : []
  })
}
