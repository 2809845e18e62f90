// Before: src/rest/routes.ts. After: the functions auth_private.admin_*, one statement each.
import type { Request, Response } from 'express'
import { z } from 'zod'
import {
  type AuditRow,
  adminCreateUser,
  adminDeleteUser,
  adminEndSessions,
  adminGetUser,
  adminListAudit,
  adminListSessions,
  adminListUsers,
  adminUpdateUser,
} from '../db/admin_statements.ts'
import { AppError } from '../errors.ts'
import { identify, parseInput } from '../rpc/rpc.ts'
import type { Services } from '../services.ts'
import { CreatedUser, Deletion, SessionsEnd, searchedPhones, UpdatedUser, Uuid } from './admin_input.ts'
import { AuditQuery, linksOf, UsersQuery } from './admin_query.ts'
import { fromBody, type Route } from './route.ts'
import { userJson } from './user_json.ts'

/** Administration with the service-role key: GoTrue's routes, and sessions and the audit log besides. */
export function adminRoutes(services: Services): Route[] {
  const { db, config } = services
  const json = (user: Parameters<typeof userJson>[0]) => userJson(user, config.phoneFormat)

  const routes: Route[] = [
    {
      method: 'get',
      path: '/admin/users',
      async handle(req, res) {
        const { page, per_page, id, phone, openid } = parseInput(UsersQuery, req.query)
        const { total, users } = await adminListUsers(db, per_page, (page - 1) * per_page, {
          id: id ?? null,
          phones: phone === undefined ? null : searchedPhones(phone),
          openid: openid ?? null,
        })
        res.set('x-total-count', total)
        // Whoever searches has found one or two, and a phone is not for a header, which proxies write down.
        if ((id ?? phone ?? openid) === undefined)
          res.set('link', linksOf(req, { page, per_page }, Number(total)))
        res.json({ users: users.map(json), aud: 'authenticated' })
      },
    },
    {
      method: 'post',
      path: '/admin/users',
      async handle(req, res) {
        const { id, changes, reason } = parseInput(CreatedUser, fromBody(req))
        res.json(json(await adminCreateUser(db, id, changes, reason)))
      },
    },
    {
      method: 'get',
      path: '/admin/users/:id',
      async handle(req, res) {
        const user = await adminGetUser(db, idOf(req))
        if (!user) throw new AppError('user_not_found')
        res.json(json(user))
      },
    },
    {
      method: 'put',
      path: '/admin/users/:id',
      async handle(req, res) {
        const { changes, reason } = parseInput(UpdatedUser, fromBody(req))
        res.json(json(await adminUpdateUser(db, idOf(req), changes, reason)))
      },
    },
    {
      method: 'delete',
      path: '/admin/users/:id',
      async handle(req, res) {
        // Not heard, it would be a deletion for good.
        if ('should_soft_delete' in req.query) {
          throw new AppError('validation_failed', { message: 'should_soft_delete belongs into the body' })
        }
        const { should_soft_delete: isSoft, reason } = parseInput(Deletion, fromBody(req))
        await adminDeleteUser(db, idOf(req), reason, !isSoft)
        res.json({})
      },
    },
    {
      method: 'get',
      path: '/admin/users/:id/sessions',
      handle: async (req, res) => res.json({ sessions: await adminListSessions(db, idOf(req)) }),
    },
    { method: 'delete', path: '/admin/users/:id/sessions', handle: endSessions },
    { method: 'delete', path: '/admin/users/:id/sessions/:session_id', handle: endSessions },
    {
      method: 'get',
      path: '/admin/audit',
      async handle(req, res) {
        const { page, per_page, user_id, action } = parseInput(AuditQuery, req.query)
        const offset = (page - 1) * per_page
        const { total, entries } = await adminListAudit(db, per_page, offset, user_id ?? null, action ?? null)
        res.set('x-total-count', total)
        res.set('link', linksOf(req, { page, per_page, user_id, action }, Number(total)))
        res.json(entries.map(auditJson))
      },
    },
  ]

  async function endSessions(req: Request, res: Response) {
    const session = req.params.session_id === undefined ? undefined : idOf(req, 'session_id')
    const { reason } = parseInput(SessionsEnd, fromBody(req))
    const ended = await adminEndSessions(db, idOf(req), session, reason)
    if (session !== undefined && ended === 0) {
      throw new AppError('session_not_found', { status: 404, message: 'This user has no such session' })
    }
    res.json({ ended })
  }

  return routes.map(route => ({
    ...route,
    async handle(req, res) {
      await requireAdmin(services, req)
      return route.handle(req, res)
    },
  }))
}

async function requireAdmin(services: Services, req: Request): Promise<void> {
  const { caller } = await identify(services, name => req.get(name), req)
  if (caller.role === 'service_role') return
  const isNobody = req.get('authorization') === undefined && !req.get('apikey')
  throw new AppError(isNobody ? 'no_authorization' : 'not_admin', {
    message: 'This needs the service-role key',
  })
}

const idOf = (req: Request, name = 'id') => parseInput(z.object({ [name]: Uuid }), req.params)[name]!

/** In GoTrue's frame. */
const auditJson = ({ id, created_at, ...payload }: AuditRow) => ({
  id: String(id),
  created_at,
  payload,
  ip_address: '',
})
