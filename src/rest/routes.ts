// Before: src/app.ts. After: the operations of src/rpc.
import express, { type Request, type Response, Router } from 'express'
import type { UserRow } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { currentUser } from '../rpc/current_user.ts'
import { deleteCurrentUser } from '../rpc/delete_current_user.ts'
import type { OwnRpc } from '../rpc/own_rpc.ts'
import { refreshSession } from '../rpc/refresh_session.ts'
import { countCall, execute, identify } from '../rpc/rpc.ts'
import type { Session } from '../rpc/session.ts'
import { signOut } from '../rpc/sign_out.ts'
import { unlinkIdentity } from '../rpc/unlink_identity.ts'
import { updateCurrentUser } from '../rpc/update_current_user.ts'
import { wechatBindAccount } from '../rpc/wechat_bind_account.ts'
import { wechatBindPhone } from '../rpc/wechat_bind_phone.ts'
import { wechatSignIn } from '../rpc/wechat_sign_in.ts'
import { wechatUnbindPhone } from '../rpc/wechat_unbind_phone.ts'
import { wechatUnlimitedQrcode } from '../rpc/wechat_unlimited_qrcode.ts'
import type { Services } from '../services.ts'
import { adminRoutes } from './admin_routes.ts'
import { allowOrigins } from './cors.ts'
import { errorHandler, nothingHere } from './errors.ts'
import { publicRoutes } from './public_routes.ts'
import { fromBody, type Route } from './route.ts'
import { sessionJson, userJson } from './user_json.ts'

/**
 * The routes of `/auth/v1`: the wire of MemFire's mini-program SDK and of auth-js, over the same operations as GraphQL. Each
 * says where the input stands in the request and how the result looks; the rest is in src/rpc. What people read of them
 * stands in scripts/reference/rest_routes.ts.
 */
export function authRoutes(services: Services): Route[] {
  const format = services.config.phoneFormat
  const user = ({ user }: { user: UserRow }) => userJson(user, format)
  const session = ({ session }: { session: Session }) => sessionJson(session, format)

  return [
    // MemFire's SDK sends these as GET, the code not URL-encoded: a plus arrives as a space, which no code has.
    { method: 'get', path: '/wechat_mini/login', handle: run(wechatSignIn, fromQuery, session) },
    { method: 'post', path: '/wechat_mini/login', handle: run(wechatSignIn, fromBody, session) },
    { method: 'get', path: '/wechat_mini/bind_phone', handle: run(wechatBindPhone, fromQuery, user) },
    { method: 'post', path: '/wechat_mini/bind_phone', handle: run(wechatBindPhone, fromBody, user) },
    {
      method: 'post',
      path: '/wechat_mini/unbind_phone',
      handle: run(wechatUnbindPhone, () => ({}), user),
    },
    { method: 'get', path: '/wechat_mini/bind_account', handle: run(wechatBindAccount, fromQuery, user) },
    { method: 'post', path: '/wechat_mini/bind_account', handle: run(wechatBindAccount, fromBody, user) },
    {
      method: 'post',
      path: '/wechat_mini/unlimited_qrcode',
      handle: run(wechatUnlimitedQrcode, qrcodeInput, ({ imgBase64 }) => ({ imgBase64 })),
    },
    { method: 'post', path: '/token', handle: run(refreshSession, refreshInput, session) },
    {
      method: 'post',
      path: '/logout',
      handle: run(
        signOut,
        ({ query }) => ({ scope: query.scope }),
        () => undefined,
      ),
    },
    {
      method: 'get',
      path: '/user',
      handle: async (req, res) => {
        const call = await callOf(req)
        await countCall(services, 'request', call)
        res.json(userJson(await currentUser(services, call), format))
      },
    },
    {
      method: 'put',
      path: '/user',
      handle: run(updateCurrentUser, userInput, user, () => 'data'),
    },
    {
      method: 'delete',
      path: '/user',
      handle: run(
        deleteCurrentUser,
        () => ({}),
        () => undefined,
      ),
    },
    {
      method: 'delete',
      path: '/user/identities/:identity_id',
      handle: run(unlinkIdentity, ({ params }) => ({ identityId: params.identity_id }), user),
    },
    ...publicRoutes(services),
    ...adminRoutes(services),
    // The application's own; in JSON names are written as in all of /auth/v1.
    ...services.rpcs.map(
      (rpc): Route => ({
        method: 'post',
        path: `/rpc/${snakeCase(rpc.name)}`,
        handle: run(
          rpc,
          req => renamed(fromBody(req), camelCase),
          result => renamed(result, snakeCase),
        ),
      }),
    ),
  ]

  function run<Input, Result extends object>(
    rpc: OwnRpc<Input, Result>,
    inputOf: (req: Request) => unknown,
    render: (result: Result) => object | undefined,
    spell = snakeCase,
  ): Route['handle'] {
    return async (req, res) => {
      const call = await callOf(req)
      const body = render(await execute(rpc, services, call, inputOf(req), spell))
      return body === undefined ? res.status(204).end() : res.json(body)
    }
  }

  function callOf(req: Request) {
    return identify(services, name => req.get(name), req)
  }
}

/** `/auth/v1`. */
export function authRouter(services: Services): Router {
  const routes = authRoutes(services)
  const router = Router()
  router.use((_req, res, next) => {
    res.set('cache-control', 'no-store')
    next()
  })
  router.use(allowOrigins(services.config.corsOrigins))
  router.use(requireJson, express.json({ limit: '100kb' }))
  // Express would serve HEAD by the handler of GET, and spend a code.
  router.head('/{*path}', () => {
    throw new AppError('validation_failed', { status: 405, message: 'HEAD is not allowed here' })
  })
  for (const { method, path, handle } of routes) router[method](path, handle)
  for (const path of new Set(routes.map(route => route.path))) {
    const allow = routes
      .flatMap(route => (route.path === path ? [route.method.toUpperCase()] : []))
      .join(', ')
    router.all(path, (_req, res) => {
      res.set('allow', allow)
      throw new AppError('validation_failed', { status: 405, message: `Only ${allow} is allowed here` })
    })
  }
  router.use(nothingHere)
  router.use(errorHandler(services.log))
  return router
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

const camelCase = (name: string) => name.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase())

/** Of an object's own members; what is in them stays as it is. */
const renamed = (object: object, rename: (name: string) => string) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [rename(name), value]))

const fromQuery = ({ query }: Request) =>
  typeof query.code === 'string' ? { code: query.code.replaceAll(' ', '+') } : { code: query.code }

function refreshInput(req: Request) {
  if (req.query.grant_type !== 'refresh_token') {
    throw new AppError('validation_failed', { message: 'grant_type is not refresh_token' })
  }
  return { refreshToken: fromBody(req).refresh_token }
}

const immutable = {
  phone: 'is changed by wechat_bind_phone only',
  email: 'cannot be set: there are no e-mail addresses here',
  password: 'cannot be set: there are no passwords here',
  current_password: 'cannot be set: there are no passwords here',
  nonce: 'cannot be set: there are no passwords here',
  app_metadata: 'is changed by administrators only',
  user_metadata: 'is changed by "data"',
  role: 'cannot be changed',
  id: 'cannot be changed',
  ban_duration: 'is changed by administrators only',
}

/** auth-js's updateUser. What is null was not meant. */
function userInput(req: Request) {
  const body = fromBody(req)
  const refused = Object.entries(immutable).filter(([name]) => (body[name] ?? null) !== null)
  if (refused.length > 0) {
    const message = refused.map(([name, why]) => `${name} ${why}`).join('; ')
    throw new AppError('validation_failed', { message })
  }
  return { userMetadata: body.data ?? {} }
}

/** The names are those of WeChat's own interface. */
function qrcodeInput(req: Request) {
  const { check_path: checkPath, env_version: envVersion, auto_color: autoColor, ...rest } = fromBody(req)
  const { line_color: lineColor, is_hyaline: isHyaline } = rest
  return { ...rest, checkPath, envVersion, autoColor, lineColor, isHyaline }
}

/** A body that is not JSON is refused, not ignored. */
function requireJson(req: Request, _res: Response, next: () => void) {
  const hasBody = req.get('transfer-encoding') !== undefined || Number(req.get('content-length') ?? 0) > 0
  if (hasBody && req.method !== 'GET' && !req.is('json')) {
    throw new AppError('validation_failed', { status: 415, message: 'Content-Type is not application/json' })
  }
  next()
}
