import { createServer } from 'node:http'
import express from 'express'
import jwt from 'jsonwebtoken'
import { postgraphile } from 'postgraphile'
import { withPgClientTransaction } from 'postgraphile/@dataplan/pg'
import { makePgService } from 'postgraphile/adaptors/pg'
import { access, context, type FieldArgs, list, object, type Step } from 'postgraphile/grafast'
import { grafserv } from 'postgraphile/grafserv/express/v4'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { extendSchema } from 'postgraphile/utils'
import { APPID, ISSUER, JWT_SECRET, refreshTokens } from '../keys.ts'
import { e164, env, hashOf, listen, type Phone } from './common.ts'
import { ask, token } from './naive_wechat.ts'

// PostGraphile as its manual shows it: claims by pgSettings, mutations by extendSchema, each with a transaction, and `user`
// as a resource that is selected afterwards.

const sign = (sessionId: string, userId: string) =>
  jwt.sign({ sub: userId, role: 'authenticated', session_id: sessionId }, JWT_SECRET, {
    issuer: ISSUER,
    audience: 'authenticated',
    expiresIn: 3600,
  })

const MutationsPlugin = extendSchema(build => {
  const users = build.pgResources.users!
  const { executor } = users
  type Values = Record<string, string>

  /** What comes from WeChat first, then one transaction, then the user as a resource. */
  const mutation =
    (
      before: (given: Values) => Promise<unknown[]>,
      text: string,
      result: (row: Values, given: Values) => Values,
    ) =>
    (_$root: Step, args: FieldArgs) => {
      const $input = args.getRaw('input') as Step
      const $sessionId = access(context(), 'sessionId')
      const $row = withPgClientTransaction(executor, list([$input, $sessionId]), async (client, data) => {
        const [input, sessionId] = data as unknown as [Values, string]
        const given = { ...input, sessionId }
        const { rows } = await client.query<Values>({ text, values: await before(given) })
        return result(rows[0]!, given)
      })
      return object({ row: $row })
    }
  const session = (row: Values, sessionId: string) => ({
    id: row.id!,
    accessToken: sign(sessionId, row.id!),
    refreshToken: refreshTokens.make(sessionId, BigInt(row.refresh_counter ?? 0)),
  })
  const ofRow = (name: string) => ($payload: Step) => access(access($payload, 'row'), name)
  const payload = {
    plans: {
      accessToken: ofRow('accessToken'),
      refreshToken: ofRow('refreshToken'),
      user: ($payload: Step) => users.get({ id: access(access($payload, 'row'), 'id') }),
    },
  }

  return {
    typeDefs: `
      input CodeInput { code: String! }
      input RefreshInput { refreshToken: String! }
      type BenchPayload { accessToken: String refreshToken: String user: User }
      extend type Query { currentUser: User }
      extend type Mutation {
        bindPhone(input: CodeInput!): BenchPayload
        signIn(input: CodeInput!): BenchPayload
        refresh(input: RefreshInput!): BenchPayload
      }`,
    objects: {
      Query: { plans: { currentUser: () => users.get({ id: access(context(), 'userId') }) } },
      BenchPayload: payload as never,
      Mutation: {
        plans: {
          bindPhone: mutation(
            async ({ code, sessionId }) => {
              const answer = await ask(`/wxa/business/getuserphonenumber?access_token=${await token()}`, {
                code,
              })
              const phone = answer.phone_info as Phone
              return [sessionId, hashOf(code!), APPID, e164(phone), phone]
            },
            `select bench.bind_phone($1, $2, $3, $4, $5) ->> 'id' as id`,
            row => row,
          ),
          signIn: mutation(
            async ({ code }) => {
              const query = new URLSearchParams({ appid: APPID, secret: 'secret', js_code: code! })
              return [APPID, (await ask(`/sns/jscode2session?${query}&grant_type=authorization_code`)).openid]
            },
            `select session_id, user_json ->> 'id' as id from bench.sign_in($1, $2)`,
            row => session(row, row.session_id!),
          ),
          refresh: mutation(
            async ({ refreshToken }) => {
              const given = refreshTokens.read(refreshToken!)!
              return [given.sessionId, given.counter]
            },
            `select refresh_counter, user_json ->> 'id' as id from bench.refresh($1, $2)`,
            (row, given) => session(row, refreshTokens.read(given.refreshToken!)!.sessionId),
          ),
        },
      },
    },
  }
})

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  plugins: [MutationsPlugin],
  grafserv: { graphiql: false },
  grafast: {
    explain: false,
    context({ node }: Partial<Grafast.RequestContext>) {
      const bearer = node?.req.headers.authorization
      if (!bearer) return { pgSettings: { role: 'anon' } }
      const claims = jwt.verify(bearer.slice(7), JWT_SECRET, { issuer: ISSUER }) as jwt.JwtPayload
      return {
        sessionId: claims.session_id,
        userId: claims.sub,
        pgSettings: { role: 'authenticated', 'request.jwt.claims': JSON.stringify(claims) },
      }
    },
  },
  pgServices: [
    makePgService({
      connectionString: env.DATABASE_URL,
      schemas: ['auth'],
      poolConfig: { max: Number(env.POOL_SIZE) },
    }),
  ],
})
const app = express()
const server = createServer(app)
await instance.createServ(grafserv).addTo(app, server)
listen(server)
