import { createSigner, createVerifier } from 'fast-jwt'
import Fastify, { type FastifyRequest } from 'fastify'
import { Pool as Connections } from 'undici'
import { APPID, ISSUER, JWT_SECRET, refreshTokens } from '../keys.ts'
import { env, listening, type Phone } from './common.ts'
import { bench, type Opened, ours } from './fastify_sql.ts'

// The best route that an expert would write by hand: fastify, undici over kept-alive connections, verified tokens
// remembered, one prepared statement that calls one SQL function. With SQL=ours it calls the service's own statements instead:
// the same promises, without express, GraphQL, node-fetch, metrics and request log.

const sql = process.env.SQL === 'ours' ? ours : bench
const wechat = new Connections(env.WECHAT_API_URL, { connections: 128 })
const options = { key: JWT_SECRET, allowedIss: ISSUER, allowedAud: 'authenticated', cache: 10_000 }
const verify = createVerifier(options)
const sign = createSigner({ key: JWT_SECRET, algorithm: 'HS256' })

async function ask(path: string, body?: object) {
  const answer = await wechat.request({
    path,
    method: body ? 'POST' : 'GET',
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  return (await answer.body.json()) as Record<string, unknown>
}

let accessToken: Promise<string> | undefined
const token = () => {
  accessToken ??= ask('/cgi-bin/stable_token', { grant_type: 'client_credential', appid: APPID }).then(
    answer => answer.access_token as string,
  )
  return accessToken
}

const sessionOf = ({ headers }: FastifyRequest): string => {
  const bearer = headers.authorization
  if (!bearer?.startsWith('Bearer ')) throw Object.assign(new Error('no token'), { statusCode: 401 })
  return verify(bearer.slice(7)).session_id
}

const tokens = ({ sessionId, counter, user, claims }: Opened) => {
  const iat = Math.floor(Date.now() / 1000)
  return {
    access_token: sign({ iss: ISSUER, aud: 'authenticated', iat, exp: iat + 3600, ...claims }),
    refresh_token: refreshTokens.make(sessionId, counter),
    token_type: 'bearer',
    expires_in: 3600,
    user,
  }
}

const living = (user: object | null) => {
  if (user === null) throw Object.assign(new Error('no session'), { statusCode: 403 })
  return user
}

const app = Fastify()

app.get('/user', async request => living(await sql.user(sessionOf(request))))

const withCode = {
  schema: {
    body: { type: 'object', required: ['code'], properties: { code: { type: 'string', maxLength: 512 } } },
  },
} as const

app.post<{ Body: { code: string } }>('/bind', withCode, async request => {
  const { code } = request.body
  const askWechat = async () => {
    const answer = await ask(`/wxa/business/getuserphonenumber?access_token=${await token()}`, { code })
    if (answer.errcode !== 0) throw Object.assign(new Error('WeChat'), { statusCode: 400 })
    return answer.phone_info as Phone
  }
  return living(await sql.bind(sessionOf(request), code, askWechat))
})

app.post<{ Body: { code: string } }>('/sign-in', withCode, async request => {
  const query = new URLSearchParams({ appid: APPID, secret: 'secret', js_code: request.body.code })
  const login = await ask(`/sns/jscode2session?${query}&grant_type=authorization_code`)
  return tokens(await sql.signIn(login.openid as string))
})

app.post<{ Body: { refresh_token: string } }>('/refresh', async request => {
  const given = refreshTokens.read(request.body.refresh_token)
  if (!given) throw Object.assign(new Error('no token of ours'), { statusCode: 400 })
  return tokens(await sql.refresh(given.sessionId, given.counter))
})

listening(await app.listen({ port: 0, host: '127.0.0.1' }))
