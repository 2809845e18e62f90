import { APPID } from '../keys.ts'
import { env } from './common.ts'

// WeChat as most people ask it first: by the platform's fetch.

export async function ask(path: string, body?: object) {
  const answer = await fetch(env.WECHAT_API_URL + path, {
    method: body ? 'POST' : 'GET',
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  return (await answer.json()) as Record<string, unknown>
}

let accessToken: string | undefined
export async function token() {
  accessToken ??= (await ask('/cgi-bin/stable_token', { grant_type: 'client_credential', appid: APPID }))
    .access_token as string
  return accessToken
}
