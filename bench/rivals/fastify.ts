import { createSigner, createVerifier } from 'fast-jwt'
import Fastify, { type FastifyRequest } from 'fastify'
import pg from 'pg'
import { Pool as Connections } from 'undici'
import { APPID, e164, env, hashOf, listening, type Phone, refreshTokens } from './common.ts'

// The best route that an expert would write by hand: fastify, undici over kept-alive connections, verified tokens
// remembered, one prepared statement that calls one SQL function.

const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: Number(env.POOL_SIZE) })
const wechat = new Connections(env.WECHAT_API_URL, { connections: 128 })
const options = { key: env.JWT_SECRET, allowedIss: env.ISSUER, allowedAud: 'authenticated', cache: 10_000 }
const verify = createVerifier(options)
const sign = createSigner({ key: env.JWT_SECRET, algorithm: 'HS256', expiresIn: 3_600_000, iss: env.ISSUER })

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

async function one<Row>(name: string, text: string, values: unknown[]): Promise<Row> {
  return (await pool.query({ name, text, values })).rows[0]
}

const sessionOf = ({ headers }: FastifyRequest): string => {
  const bearer = headers.authorization
  if (!bearer?.startsWith('Bearer ')) throw Object.assign(new Error('no token'), { statusCode: 401 })
  return verify(bearer.slice(7)).session_id
}

const tokens = (sessionId: string, counter: bigint, user: { id: string }) => ({
  access_token: sign({ sub: user.id, role: 'authenticated', session_id: sessionId, aud: 'authenticated' }),
  refresh_token: refreshTokens.make(sessionId, counter),
  token_type: 'bearer',
  expires_in: 3600,
  user,
})

const app = Fastify()

app.get('/user', async request => {
  const row = await one<{ user: object | null }>('user', 'select bench.get_user($1) as user', [
    sessionOf(request),
  ])
  if (row.user === null) throw Object.assign(new Error('no session'), { statusCode: 403 })
  return row.user
})

const withCode = {
  schema: {
    body: { type: 'object', required: ['code'], properties: { code: { type: 'string', maxLength: 512 } } },
  },
} as const

app.post<{ Body: { code: string } }>('/bind', withCode, async request => {
  const sessionId = sessionOf(request)
  const { code } = request.body
  const answer = await ask(`/wxa/business/getuserphonenumber?access_token=${await token()}`, { code })
  if (answer.errcode !== 0) throw Object.assign(new Error('WeChat'), { statusCode: 400 })
  const phone = answer.phone_info as Phone
  const row = await one<{ user: object | null }>(
    'bind',
    'select bench.bind_phone($1, $2, $3, $4, $5) as user',
    [sessionId, hashOf(code), APPID, e164(phone), phone],
  )
  if (row.user === null) throw Object.assign(new Error('no session'), { statusCode: 403 })
  return row.user
})

app.post<{ Body: { code: string } }>('/sign-in', withCode, async request => {
  const query = new URLSearchParams({ appid: APPID, secret: 'secret', js_code: request.body.code })
  const login = await ask(`/sns/jscode2session?${query}&grant_type=authorization_code`)
  const row = await one<{ session_id: string; user_json: { id: string } }>(
    'sign in',
    'select * from bench.sign_in($1, $2)',
    [APPID, login.openid],
  )
  return tokens(row.session_id, 0n, row.user_json)
})

app.post<{ Body: { refresh_token: string } }>('/refresh', async request => {
  const given = refreshTokens.read(request.body.refresh_token)
  if (!given) throw Object.assign(new Error('no token of ours'), { statusCode: 400 })
  const row = await one<{ refresh_counter: string; user_json: { id: string } }>(
    'refresh',
    'select * from bench.refresh($1, $2)',
    [given.sessionId, given.counter],
  )
  return tokens(given.sessionId, BigInt(row.refresh_counter), row.user_json)
})

listening(await app.listen({ port: 0, host: '127.0.0.1' }))
