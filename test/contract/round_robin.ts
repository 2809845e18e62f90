import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Balancer {
  url: string
  /** From now on a node gets no request, and those that it has are answered. */
  takeOut(port: number): Promise<void>
  putBack(port: number): void
  /** How many requests a node has had. */
  asked(port: number): number
  close(): Promise<void>
}

/**
 * The least that a load balancer is: requests to the nodes in turn, on connections that are kept alive. It repeats nothing;
 * what goes wrong is a 502.
 */
export async function startBalancer(ports: number[]): Promise<Balancer> {
  const agent = new http.Agent({ keepAlive: true })
  const isOut = new Set<number>()
  const asked = new Map<number, number>()
  const inHand = new Map<number, number>()
  let turn = 0
  const add = (counts: Map<number, number>, port: number, one: number) =>
    counts.set(port, (counts.get(port) ?? 0) + one)
  const server = http.createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const open = ports.filter(port => !isOut.has(port))
    const port = open[turn++ % open.length]!
    add(asked, port, 1)
    add(inHand, port, 1)
    const { status, headers, body } = await ask(agent, port, req, Buffer.concat(chunks))
    add(inHand, port, -1)
    res.writeHead(status, headers).end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async takeOut(port) {
      isOut.add(port)
      while ((inHand.get(port) ?? 0) > 0) await sleep(5)
    },
    putBack: port => void isOut.delete(port),
    asked: port => asked.get(port) ?? 0,
    async close() {
      agent.destroy()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

type Outcome = { status: number; headers: http.OutgoingHttpHeaders; body: Buffer | string }

function ask(
  agent: http.Agent,
  port: number,
  { method, url, headers }: http.IncomingMessage,
  body: Buffer,
): Promise<Outcome> {
  return new Promise(resolve => {
    const { connection: _hop, 'transfer-encoding': _form, ...end } = headers
    const request = http.request({
      agent,
      host: '127.0.0.1',
      port,
      method,
      path: url,
      headers: { ...end, 'content-length': body.length },
    })
    request.once('error', ({ message }) => resolve({ status: 502, headers: {}, body: message }))
    request.once('response', async response => {
      const chunks: Buffer[] = []
      try {
        for await (const chunk of response) chunks.push(chunk as Buffer)
      } catch {
        return resolve({ status: 502, headers: {}, body: 'cut off' })
      }
      const { connection: _hop, 'transfer-encoding': _form, ...end } = response.headers
      resolve({ status: response.statusCode!, headers: end, body: Buffer.concat(chunks) })
    })
    request.end(body)
  })
}

/** A port that nobody uses, so that a node has the same one after it was started again. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
