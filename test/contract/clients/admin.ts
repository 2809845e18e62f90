import { randomUUID } from 'node:crypto'
import { freshPhone } from '../../support/client.ts'
import type { Entry } from './entry.ts'
import { type Any, type Kind, prefixOf, type World } from './world.ts'

// Administration: a client that was made with the service-role key, on a server.

const USERS = '/admin/users'
export const USER = '/admin/users/{id}'

/** A phone that another user has. */
export async function takenPhone(world: World): Promise<string> {
  const phone = `+86${freshPhone()}`
  expect((await world.admin.createUser({ phone })).error).toBeNull()
  world.sent().length = 0
  return phone
}

/** What a list holds; MemFire's SDK leaves it in the whole response of `wx.request`. */
const listOf = ({ kind }: World, data: Any) => (kind === 'auth-js' ? data : data.data)

export const adminEntries = (kind: Kind): Entry[] => {
  const prefix = `${prefixOf(kind)}admin.`
  return [...created(prefix), ...read(prefix)]
}

const created = (prefix: string): Entry[] => [
  {
    method: `${prefix}createUser`,
    asks: `POST ${USERS}`,
    outcome: 'works',
    note: 'an id, a phone that somebody vouches for, metadata',
    async probe(world) {
      const national = freshPhone()
      const id = randomUUID()
      const { data, error } = await world.admin.createUser({
        ...{ id, phone: `86${national}`, phone_confirm: true },
        ...{ user_metadata: { a: 1 }, app_metadata: { b: 2 } },
      })
      expect(error).toBeNull()
      expect(world.userOf(data.user)).toMatchObject({
        ...{ id, phone: national, phone_confirmed_at: expect.any(String), identities: [] },
        ...{ user_metadata: { a: 1 }, app_metadata: { b: 2 } },
      })
    },
  },
  {
    method: `${prefix}createUser`,
    when: 'with the phone of another user',
    asks: `POST ${USERS}`,
    outcome: 'refused',
    error: { status: 422, code: 'phone_exists' },
    async probe(world) {
      const { data, error } = await world.admin.createUser({ phone: await takenPhone(world) })
      expect(data).toEqual({ user: null })
      world.refused(error)
    },
  },
  {
    method: `${prefix}createUser`,
    when: 'with an e-mail address or a password',
    asks: `POST ${USERS}`,
    outcome: 'refused',
    error: { status: 400, code: 'validation_failed' },
    async probe(world) {
      const { error } = await world.admin.createUser({ email: 'a@example.com', password: 'a-password' })
      world.refused(error)
    },
  },
]

const read = (prefix: string): Entry[] => [
  {
    method: `${prefix}listUsers`,
    asks: `GET ${USERS}?page=&per_page=`,
    outcome: 'works',
    async probe(world) {
      const { data, error } = await world.admin.listUsers()
      expect(error).toBeNull()
      const users = expect.arrayContaining([world.session.user])
      expect(listOf(world, data)).toMatchObject({ aud: 'authenticated', users })
      const total = { total: data.total }
      expect(await world.site.db.row('select count(*)::int as total from auth.users')).toEqual(total)
    },
  },
  {
    method: `${prefix}listUsers`,
    when: 'by pages',
    asks: `GET ${USERS}?page=1&per_page=2`,
    outcome: 'works',
    note: 'newest first; `nextPage`, `lastPage`, `total`; of the tenth page and later ones the client reads the first digit only',
    async probe(world) {
      await world.site.db.owner.query('delete from auth.users where id <> $1', [world.userId])
      for (let count = 1; count < 5; count++) await world.admin.createUser({})
      const pages = []
      for (let page: number | null = 1; page; page = pages.at(-1).nextPage) {
        pages.push((await world.admin.listUsers({ page, perPage: 2 })).data)
      }
      expect(pages).toMatchObject([
        { nextPage: 2, lastPage: 3, total: 5 },
        { nextPage: 3, lastPage: 3, total: 5 },
        { nextPage: null, lastPage: 3, total: 5 },
      ])
      const ids = pages.flatMap(data => listOf(world, data).users.map(({ id }: { id: string }) => id))
      expect(ids).toHaveLength(5)
      expect(new Set(ids).size).toBe(5)
      expect(ids.at(-1)).toBe(world.userId)
    },
  },
  {
    method: `${prefix}listUsers`,
    when: 'with the anon key',
    asks: `GET ${USERS}?page=&per_page=`,
    outcome: 'refused',
    error: { status: 403, code: 'not_admin' },
    async probe(world) {
      const { data, error } = await world.auth.admin.listUsers()
      expect(data).toEqual({ users: [] })
      world.refused(error)
    },
  },
  {
    method: `${prefix}getUserById`,
    asks: `GET ${USER}`,
    outcome: 'works',
    async probe(world) {
      const { data, error } = await world.admin.getUserById(world.userId)
      expect({ user: world.userOf(data.user), error }).toEqual({ user: world.session.user, error: null })
    },
  },
  {
    method: `${prefix}getUserById`,
    when: 'of nobody',
    asks: `GET ${USER}`,
    outcome: 'refused',
    error: { status: 404, code: 'user_not_found' },
    async probe(world) {
      const { data, error } = await world.admin.getUserById(randomUUID())
      expect(data).toEqual({ user: null })
      world.refused(error)
    },
  },
]
