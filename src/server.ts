import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep, setImmediate as turnOfLoop } from 'node:timers/promises'

/** Requests in flight at a shutdown have this long. */
const GRACE_MS = 10_000

/** How long a client may take for its headers, and for its whole request; node's own limits are minutes. */
const PATIENCE = { headersMs: 10_000, requestMs: 30_000, checkMs: 1_000, idleMs: 5_000, lingerMs: 0 }

/**
 * A proxy may send a request at the moment at which its kept-alive connection is closed, cannot know whether that was read,
 * and answers 502. So an idle connection is the proxy's to close (after 60 s in nginx and most load balancers, 120 s in
 * Caddy), and at a shutdown connections are used up first: for so long each is served once more, and told that it ends.
 */
export const BEHIND_A_PROXY = { idleMs: 130_000, lingerMs: 1_000 }

export interface HttpServer {
  /** With the real port: `PORT=0` picks a free one. */
  url: string
  /** From now on requests are answered by this; before, by 503. */
  serve(listener: RequestListener): void
  /** Lets requests in flight end, within a time in milliseconds, and closes. */
  close(graceMs?: number): Promise<void>
}

/** The port cannot be had; the message is for the person at the terminal. */
export class ListenError extends Error {}

/** Listens at once, so that the service's own URL is known to everything that is built with it. */
export async function listen(
  host: string,
  port: number,
  given: Partial<typeof PATIENCE> = {},
): Promise<HttpServer> {
  const patience = { ...PATIENCE, ...given }
  let listener: RequestListener = (_req, res) => {
    res.writeHead(503, { 'retry-after': '1' }).end()
  }
  const options = {
    // Of two Authorization headers node would drop the second unread; joined they are no token.
    joinDuplicateHeaders: true,
    headersTimeout: patience.headersMs,
    requestTimeout: patience.requestMs,
    connectionsCheckingInterval: patience.checkMs,
    keepAliveTimeout: patience.idleMs,
  }
  let isEnding = false
  const inFlight = new Set<ServerResponse>()
  const server = createServer(options, (req, res) => {
    inFlight.add(res)
    res.once('close', () => inFlight.delete(res))
    if (isEnding) isLast(res)
    listener(req, res)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `Port ${port} of ${host} is taken by another program: choose another with PORT=…, or PORT=0 for a free one.`
      reject(error.code === 'EADDRINUSE' ? new ListenError(taken) : error)
    })
    server.listen(port, host, resolve)
  })
  const { port: bound } = server.address() as AddressInfo
  // A service that listens everywhere is reached on this machine by loopback.
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return {
    url: `http://${name}:${bound}`,
    serve: next => {
      listener = next
    },
    close: (graceMs = GRACE_MS) => {
      isEnding = true
      inFlight.forEach(isLast)
      return close(server, patience.lingerMs, graceMs)
    },
  }
}

/** The connection ends with this answer, and whoever sent the request is told. */
function isLast(res: ServerResponse) {
  if (!res.headersSent) res.setHeader('connection', 'close')
}

async function close(server: Server, lingerMs: number, graceMs: number) {
  const giveUpAt = Date.now() + lingerMs
  while (Date.now() < giveUpAt && (await connectionsOf(server)) > 0) await sleep(20)
  // After what has arrived was let in and read.
  await turnOfLoop()
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  // A kept-alive connection becomes idle when its last request ends, and would then stay for seconds.
  const sweep = setInterval(() => setImmediate(() => server.closeIdleConnections()), 50)
  const force = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(sweep)
  clearTimeout(force)
}

const connectionsOf = (server: Server) =>
  new Promise<number>(resolve => server.getConnections((_error, count) => resolve(count ?? 0)))
