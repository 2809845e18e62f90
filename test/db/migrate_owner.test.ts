import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { ROLES } from '../../src/db/migrate/roles.ts'
import { MigrationError, migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { catalogue } from '../support/catalogue.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'

const log = createLog('silent')

describe.each(servers)('another owner, on a $name that has the roles already', server => {
  const name = `owner_${randomBytes(6).toString('hex')}`
  const duties = ROLES.filter(role => role.startsWith('auth_'))
  let db: TestDatabase
  let template: TestDatabase
  let other: pg.Client
  let ownerUrl: string

  beforeAll(async () => {
    db = await createDatabase({ migrated: false, server })
    template = await createDatabase({ server })
    await db.rows(`create role ${name} login createrole createdb password 'of the tests'`)
    const url = new URL(db.ownerUrl)
    url.username = name
    url.password = 'of the tests'
    const asOther = new pg.Client({ connectionString: url.href })
    await asOther.connect()
    await asOther.query(`create database ${name}`)
    await asOther.end()
    url.pathname = `/${name}`
    ownerUrl = url.href
    other = new pg.Client({ connectionString: ownerUrl })
    await other.connect()
  })
  afterAll(async () => {
    await other.query('drop schema if exists auth, auth_private, graphile_worker cascade')
    await other.query(`drop owned by ${name} cascade`)
    await other.end()
    await db.row(`grant ${name} to current_user`)
    await db.row(`drop database ${name} with (force)`)
    await db.row(`drop role ${name}`)
    await Promise.all([db.drop(), template.drop()])
  })

  test('is told what to let a superuser run, and leaves nothing of ours behind', async () => {
    const error = await migrate({ ownerUrl, log }).then(
      () => undefined,
      (reason: Error) => reason,
    )
    const { may } = await db.row<{ may: boolean }>(
      `select current_setting('server_version_num')::integer < 160000 as may`,
    )
    // Before 16, who may create roles may grant any of them.
    if (may) return expect(error).toBeUndefined()
    expect(error).toBeInstanceOf(MigrationError)
    expect(error!.message).toContain(`grant auth_signer to ${name} with admin option`)
    expect(await catalogue(other)).toEqual([])
  })

  test('builds once that has been run, and changes no role', async () => {
    const roles = () =>
      db.rows(
        `select rolname, rolcanlogin, rolinherit, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolconnlimit
         from pg_roles where rolname = any ($1) order by 1`,
        [ROLES],
      )
    const before = await roles()
    expect(before).toHaveLength(ROLES.length)
    for (const duty of duties) await db.row(`grant ${duty} to ${name} with admin option`)
    await migrate({ ownerUrl, log })
    await migrate({ ownerUrl, log })
    expect(await roles()).toEqual(before)
    const asOwner = (lines: string[]) =>
      lines.map(line => line.replaceAll(name, new URL(db.ownerUrl).username))
    expect(asOwner(await catalogue(other))).toEqual(await catalogue(template.owner))
  })
})
