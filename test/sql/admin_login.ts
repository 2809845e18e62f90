import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { TestDatabase } from '../support/database.ts'

/** An administrator: a login of his own that is a member of service_role, and what the audit log calls him. */
export async function createAdmin(db: TestDatabase) {
  const login = `admin_${randomBytes(6).toString('hex')}`
  await db.rows(`create role ${login} login password 'of the tests'`)
  await db.rows(`grant service_role to ${login}`)
  const url = new URL(db.ownerUrl)
  url.username = login
  url.password = 'of the tests'
  const pool = new pg.Pool({ connectionString: url.href, max: 10 })
  return {
    pool,
    actor: `admin:${login}`,
    async drop() {
      await pool.end()
      await db.rows(`drop role ${login}`)
    },
  }
}
