import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Way {
  url: string
  close(): Promise<void>
}

/** A way to a server on which `change` may alter what the server says. */
export async function startWay(to: string, change: (chunk: Buffer, index: number) => Buffer): Promise<Way> {
  const target = new URL(to)
  return listen(near => {
    let index = 0
    const far = connect(Number(target.port), target.hostname)
    for (const [socket, peer] of [
      [near, far],
      [far, near],
    ] as const)
      socket.on('error', () => {}).on('close', () => peer.destroy())
    near.pipe(far)
    far.on('data', chunk => near.write(change(chunk, index++)))
  }, target)
}

/** Takes connections, and says nothing. */
export const startSilence = (like: string) =>
  listen(socket => void socket.on('error', () => {}), new URL(like))

async function listen(serve: (socket: Socket) => void, like: URL): Promise<Way> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    serve(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = new URL(like)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href.replace(/\/$/, ''),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
