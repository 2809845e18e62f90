import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Requests in flight at a shutdown have this long. */
const GRACE_MS = 10_000

/** How long a client may take for its headers, and for its whole request; node's own limits are minutes. */
const PATIENCE = { headersMs: 10_000, requestMs: 30_000, checkMs: 1_000 }

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
export async function listen(host: string, port: number, patience = PATIENCE): Promise<HttpServer> {
  let listener: RequestListener = (_req, res) => {
    res.writeHead(503, { 'retry-after': '1' }).end()
  }
  const options = {
    // Of two Authorization headers node would drop the second unread; joined they are no token.
    joinDuplicateHeaders: true,
    headersTimeout: patience.headersMs,
    requestTimeout: patience.requestMs,
    connectionsCheckingInterval: patience.checkMs,
  }
  const server = createServer(options, (req, res) => listener(req, res))
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
    close: (graceMs = GRACE_MS) => close(server, graceMs),
  }
}

async function close(server: Server, graceMs: number) {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  // A kept-alive connection becomes idle when its last request ends, and would then stay for seconds.
  const sweep = setInterval(() => server.closeIdleConnections(), 50)
  const force = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(sweep)
  clearTimeout(force)
}
