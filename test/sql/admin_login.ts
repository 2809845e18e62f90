import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { TestDatabase } from '../support/database.ts'

/** An administrator: a login of his own that is a member of service_role, and what the audit log calls him. */
export const createAdmin = (db: TestDatabase) => createLogin(db, 'admin', 'service_role')

/** The same of support staff. */
export const createSupporter = (db: TestDatabase) => createLogin(db, 'support', 'support')

async function createLogin(db: TestDatabase, kind: string, role: string) {
  const login = `${kind}_${randomBytes(6).toString('hex')}`
  await db.rows(`create role ${login} login password 'of the tests'`)
  await db.rows(`grant ${role} to ${login}`)
  const url = new URL(db.ownerUrl)
  url.username = login
  url.password = 'of the tests'
  const pool = new pg.Pool({ connectionString: url.href, max: 10 })
  return {
    pool,
    login,
    actor: `${kind}:${login}`,
    async drop() {
      await pool.end()
      await db.rows(`drop role ${login}`)
    },
  }
}
