import { connect } from 'node:net'

/** What came back, byte for byte, where fetch would refuse to send, or would tidy up. */
export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  status: number
  headers: Record<string, string>
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: what a body holds is for the assertions to say
  body: any
}

export type RawHeaders = [name: string, value: string][]

export interface RawRequest {
  method?: string
  /** Request target as it goes over the wire. */
  target: string
  /** In this order, doubled ones included; Host, Connection and Content-Length are added where they are not named. */
  headers?: RawHeaders
  body?: string | Buffer
}

/** Sends a request that need not be a good one. Bytes above 0x7f in strings go out as latin1, as headers do. */
export function sendRequest(url: string, { method = 'GET', target, headers = [], body }: RawRequest) {
  const names = new Set(headers.map(([name]) => name.toLowerCase()))
  const bytes = body === undefined ? undefined : Buffer.from(body)
  const all: RawHeaders = [
    ...(names.has('host') ? [] : ([['host', new URL(url).host]] as RawHeaders)),
    ...(names.has('connection') ? [] : ([['connection', 'close']] as RawHeaders)),
    ...headers,
    ...(bytes === undefined || names.has('content-length') || names.has('transfer-encoding')
      ? []
      : ([['content-length', String(bytes.length)]] as RawHeaders)),
  ]
  const head = `${method} ${target} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  return sendBytes(url, Buffer.concat([Buffer.from(head, 'latin1'), bytes ?? Buffer.alloc(0)]))
}

/** Sends bytes and reads until the other side ends the connection. `half`: we say that no more will come. */
export function sendBytes(url: string, bytes: Buffer | string, { half = false } = {}): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname)
    socket.on('data', chunk => chunks.push(chunk))
    // The other side may have answered, and closed, before it has read all.
    socket.on('error', () => {})
    socket.on('close', () => resolve(parseAnswer(Buffer.concat(chunks))))
    if (half) socket.end(bytes)
    else socket.write(bytes)
  })
}

function parseAnswer(bytes: Buffer): RawAnswer {
  const end = bytes.indexOf('\r\n\r\n')
  const [first = '', ...lines] = bytes.subarray(0, Math.max(end, 0)).toString('latin1').split('\r\n')
  const headers = Object.fromEntries(
    lines.map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const text = end < 0 ? bytes.toString() : bytes.subarray(end + 4).toString()
  return { status: Number(first.split(' ')[1] ?? 0), headers, text, body: parseJson(text) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
