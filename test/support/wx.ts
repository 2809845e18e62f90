import http from 'node:http'

interface WxRequest {
  url: string
  data?: string | object
  method?: string
  dataType?: string
  header?: Record<string, string>
  success?(response: { statusCode: number; data: unknown; header: Record<string, string> }): void
  fail?(error: { errMsg: string }): void
}

export interface SentRequest {
  method: string
  path: string
  header: Record<string, string>
  status: number | undefined
  data: unknown
}

/**
 * `wx` of a mini program, as far as MemFire's SDK uses it: `wx.request` over Node's HTTP, with its `dataType: json`
 * (what does not parse stays text) and its headers as an object, and the phone's storage. `requests` tells what was sent.
 */
export function createWx() {
  const requests: SentRequest[] = []
  const request = ({ url, data, method = 'GET', header = {}, success, fail }: WxRequest) => {
    const body = data === undefined ? undefined : typeof data === 'string' ? data : JSON.stringify(data)
    const target = new URL(url)
    const sent: SentRequest = {
      method,
      path: target.pathname + target.search,
      header,
      status: undefined,
      data: undefined,
    }
    requests.push(sent)
    const outgoing = http.request(url, { method, headers: header }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () => {
        sent.status = response.statusCode
        sent.data = parse(Buffer.concat(chunks).toString('utf8'))
        success?.({
          statusCode: response.statusCode!,
          data: sent.data,
          header: Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
          ),
        })
      })
    })
    outgoing.on('error', error => fail?.({ errMsg: `request:fail ${error.message}` }))
    outgoing.end(body)
  }
  const storage = new Map<string, unknown>()
  return {
    request,
    requests,
    getStorageSync: (key: string) => storage.get(key) ?? '',
    setStorageSync: (key: string, value: unknown) => void storage.set(key, value),
    removeStorageSync: (key: string) => void storage.delete(key),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
