// As much of node-fetch 2 as we use; it has no types of its own, and @types/node-fetch does not know the platform's AbortSignal.
declare module 'node-fetch' {
  import type { Agent } from 'node:http'
  import type { Readable } from 'node:stream'

  interface Init {
    method: string
    headers?: Record<string, string>
    body?: string
    signal: AbortSignal
    redirect: 'error' | 'manual'
    /** The largest body that is read, in bytes. */
    size?: number
    /** Whether a compressed answer is wanted; default true. */
    compress?: boolean
    agent: Agent | ((url: URL) => Agent | undefined)
  }
  interface Response {
    status: number
    ok: boolean
    headers: { get(name: string): string | null }
    body: Readable | null
    arrayBuffer(): Promise<ArrayBuffer>
  }
  export default function fetch(url: string, init: Init): Promise<Response>
}
