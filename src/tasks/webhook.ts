// Before: src/tasks/subscriber.ts. After: a server of somebody else.
import nodeFetch from 'node-fetch'
import { Webhook } from 'standardwebhooks'
import { version } from '../version.ts'
import { bodyOf, type Delivery, type Failure, type Subscriber } from './deliveries.ts'
import { parseRetryAfter } from './retries.ts'
import type { Send } from './subscriber.ts'
import { type AgentOptions, createAgents, refusedAddress } from './webhook_agents.ts'

/** Of an answer so much is read, and dropped, so that its connection can be used again. */
const MAX_ANSWER_BYTES = 65_536
const GONE = 410

export interface SenderOptions extends AgentOptions {
  /** Milliseconds for an answer. */
  requestMs: number
}

/** Posts deliveries by the specification of Standard Webhooks. */
export function createSender({ requestMs, ...options }: SenderOptions): Send {
  const agents = createAgents(options)
  return async (subscriber, delivery, { abortSignal }) => {
    const end = new AbortController()
    const stop = () => end.abort()
    const timer = setTimeout(stop, requestMs)
    abortSignal?.addEventListener('abort', stop)
    try {
      if (abortSignal?.aborted) return 'stopped'
      return await post(subscriber, delivery, end.signal)
    } catch (error) {
      if (abortSignal?.aborted) return 'stopped'
      return { reason: end.signal.aborted ? 'no answer in time' : reasonOf(error as Error) }
    } finally {
      clearTimeout(timer)
      abortSignal?.removeEventListener('abort', stop)
    }
  }

  async function post(
    { id, url, secret }: Subscriber,
    delivery: Delivery,
    signal: AbortSignal,
  ): Promise<Failure | undefined> {
    const body = JSON.stringify(bodyOf(delivery))
    // The same whenever it is sent, also when it is replayed: by it the subscriber knows a repetition.
    const messageId = `msg_${id}_${delivery.event_id}`
    const now = new Date()
    const response = await nodeFetch(url!, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': `postgraphile-wechat/${version}`,
        'webhook-id': messageId,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
        'webhook-signature': new Webhook(secret!).sign(messageId, now, body),
      },
      body,
      redirect: 'manual',
      compress: false,
      signal,
      agent: ({ protocol }) => agents[protocol],
    })
    await drop(response.body)
    if (response.ok) return undefined
    const { status, headers } = response
    return {
      status,
      reason: `HTTP ${status}`,
      retryAfter: parseRetryAfter(headers.get('retry-after')),
      isFinal: status === GONE,
    }
  }
}

/** Whatever becomes of the rest of an answer, its status has been heard. */
async function drop(body: NodeJS.ReadableStream | null): Promise<void> {
  try {
    let bytes = 0
    for await (const chunk of body ?? []) {
      bytes += chunk.length
      if (bytes > MAX_ANSWER_BYTES) break
    }
  } catch {}
}

/** In a word: the text of the error quotes the URL. */
function reasonOf(error: Error): string {
  const refused = refusedAddress(error)
  if (refused !== undefined) return `refused: ${refused} is not a public address`
  const { code, type, name } = error as { code?: string; type?: string; name: string }
  return code ?? type ?? name
}
