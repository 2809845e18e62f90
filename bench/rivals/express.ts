import { createServer } from 'node:http'
import express, { type Request } from 'express'
import jwt from 'jsonwebtoken'
import pg from 'pg'
import { APPID, ISSUER, JWT_SECRET, refreshTokens } from '../keys.ts'
import { e164, env, hashOf, listen, type Phone } from './common.ts'
import { ask, token } from './naive_wechat.ts'

// What most people write first: express, the platform's fetch, a transaction of plain statements.

const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: Number(env.POOL_SIZE) })

async function inTransaction<Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

const sessionIdOf = (req: Request) => {
  const claims = jwt.verify(req.get('authorization')!.slice(7), JWT_SECRET, {
    issuer: ISSUER,
    audience: 'authenticated',
  })
  return (claims as jwt.JwtPayload).session_id as string
}

async function userOf(db: pg.Pool | pg.PoolClient, sessionId: string) {
  const { rows } = await db.query(
    `select u.* from auth.users u join auth.sessions s on s.user_id = u.id
     where s.id = $1 and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now())`,
    [sessionId],
  )
  if (!rows[0]) throw new Error('no session')
  return rows[0]
}

async function withIdentities(db: pg.Pool | pg.PoolClient, user: { id: string }) {
  const { rows } = await db.query('select * from auth.identities where user_id = $1', [user.id])
  return { ...user, identities: rows }
}

const tokens = (sessionId: string, counter: bigint, user: { id: string }) => ({
  access_token: jwt.sign({ sub: user.id, role: 'authenticated', session_id: sessionId }, JWT_SECRET, {
    issuer: ISSUER,
    audience: 'authenticated',
    expiresIn: 3600,
  }),
  refresh_token: refreshTokens.make(sessionId, counter),
  token_type: 'bearer',
  expires_in: 3600,
  user,
})

const audit = (db: pg.PoolClient, action: string, userId: string, sessionId: string, details: object) =>
  db.query(
    `insert into auth.audit_log_entries (action, user_id, actor, session_id, details) values ($1, $2, 'user', $3, $4)`,
    [action, userId, sessionId, details],
  )
const event = (db: pg.PoolClient, type: string, userId: string, data: object) =>
  db.query('insert into auth_private.events (type, user_id, data) values ($1, $2, $3)', [type, userId, data])

const app = express()
app.use(express.json())

app.get('/user', async (req, res) => {
  res.json(await withIdentities(pool, await userOf(pool, sessionIdOf(req))))
})

app.post('/bind', async (req, res) => {
  const sessionId = sessionIdOf(req)
  const { code } = req.body
  const answer = await ask(`/wxa/business/getuserphonenumber?access_token=${await token()}`, { code })
  if (answer.errcode !== 0) throw new Error('WeChat')
  const info = answer.phone_info as Phone
  const phone = e164(info)
  const user = await inTransaction(async db => {
    const { id, phone: former } = await userOf(db, sessionId)
    const { rows } = await db.query(
      `update auth.users set phone = $2, phone_raw = $3, phone_confirmed_at = now(), updated_at = now()
       where id = $1 returning *`,
      [id, phone, info],
    )
    await db.query(
      `insert into auth_private.wechat_codes
         (code_hash, appid, user_id, claim_id, claimed_until, outcome, phone_revision, redeemed_at)
       values ($1, $2, $3, gen_random_uuid(), now(), 'bound', $4, now())`,
      [hashOf(code), APPID, id, rows[0].phone_revision],
    )
    await audit(db, 'phone_bound', id, sessionId, { source: 'wechat', appid: APPID })
    if (former !== phone) await event(db, 'phone.bound', id, { phone })
    return withIdentities(db, rows[0])
  })
  res.json(user)
})

app.post('/sign-in', async (req, res) => {
  const query = new URLSearchParams({ appid: APPID, secret: 'secret', js_code: req.body.code })
  const { openid } = await ask(`/sns/jscode2session?${query}&grant_type=authorization_code`)
  const session = await inTransaction(async db => {
    const found = await db.query(
      'select user_id from auth.identities where appid = $1 and provider_id = $2',
      [APPID, openid],
    )
    const id = found.rows[0].user_id
    const { rows } = await db.query(
      `update auth.users set last_sign_in_at = now(), updated_at = now()
       where id = $1 and deleted_at is null and (banned_until is null or banned_until <= now()) returning *`,
      [id],
    )
    await db.query(
      'update auth.identities set last_sign_in_at = now(), updated_at = now() where appid = $1 and provider_id = $2',
      [APPID, openid],
    )
    const session = await db.query('insert into auth.sessions (user_id) values ($1) returning id', [id])
    const sessionId = session.rows[0].id
    await audit(db, 'user_signed_in', id, sessionId, { provider: 'wechat_mini', appid: APPID })
    await event(db, 'user.signed_in', id, { session_id: sessionId, appid: APPID })
    return tokens(sessionId, 0n, await withIdentities(db, rows[0]))
  })
  res.json(session)
})

app.post('/refresh', async (req, res) => {
  const { sessionId, counter } = refreshTokens.read(req.body.refresh_token)!
  const session = await inTransaction(async db => {
    const { rows } = await db.query(
      `update auth.sessions set refresh_counter = $2 + 1, refreshed_at = now()
       where id = $1 and refresh_counter <= $2 returning refresh_counter`,
      [sessionId, counter],
    )
    const user = await userOf(db, sessionId)
    return tokens(sessionId, BigInt(rows[0].refresh_counter), await withIdentities(db, user))
  })
  res.json(session)
})

listen(createServer(app))
