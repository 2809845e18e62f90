import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

export interface Wire {
  /** The URL of the database, through here. */
  url: string
  /** Cuts every connection, and ends new ones at once until `mend`. */
  cut(): void
  /** Cuts every connection, and nobody listens until `mend`. */
  shut(): Promise<void>
  /** Takes connections and bytes, and passes nothing on until `mend`. */
  stall(): void
  mend(): Promise<void>
  close(): Promise<void>
}

/** A network between the service and PostgreSQL that can fail. */
export async function startProxy(databaseUrl: string): Promise<Wire> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let isCut = false
  let isStalled = false
  const server = createServer(near => {
    if (isCut) return void near.destroy()
    const far = connect(Number(target.port), target.hostname)
    for (const [socket, peer] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        peer.destroy()
      })
      socket.pipe(peer)
      if (isStalled) socket.pause()
    }
  })
  const listen = (port: number) => once(server.listen(port, '127.0.0.1'), 'listening')
  await listen(0)
  const { port } = server.address() as AddressInfo
  const url = new URL(databaseUrl)
  url.port = String(port)
  const cut = () => {
    isCut = true
    for (const socket of sockets) socket.destroy()
  }
  const shut = async () => {
    cut()
    if (server.listening) await new Promise(resolve => server.close(resolve))
  }
  return {
    url: url.href,
    cut,
    shut,
    stall() {
      isStalled = true
      for (const socket of sockets) socket.pause()
    },
    async mend() {
      isCut = false
      isStalled = false
      for (const socket of sockets) socket.resume()
      if (!server.listening) await listen(port)
    },
    close: shut,
  }
}
