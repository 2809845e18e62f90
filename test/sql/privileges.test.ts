import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'
import { catalogueLines, versionOf } from './privileges_catalogue.ts'
import { add, changes } from './privileges_changes.ts'
import { effectiveRights, listedRights } from './privileges_effective.ts'
import { differences, type Line, parse, readPage, withPlainConditions } from './privileges_page.ts'

// sql/privileges.md says who may do what, and this compares it with the database, both ways. Where it fails after a change
// that was meant, the message has the line for the page.

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let page: Line[]

  beforeAll(async () => {
    db = await createDatabase({ server })
    page = await db.experiment(client => withPlainConditions(client, readPage()))
  })
  afterAll(() => db.drop())

  const differencesAfter = (statement: string) =>
    db.experiment(async client => {
      await client.query(statement)
      return differences(page, await catalogueLines(client))
    })

  test('the page and the catalogue agree', async () => {
    expect(page.length).toBeGreaterThan(100)
    expect(await db.experiment(async client => differences(page, await catalogueLines(client)))).toEqual([])
  })

  test('the page and what PostgreSQL lets the roles do agree', () =>
    db.experiment(async client => {
      const listed = await listedRights(client, page)
      expect(listed.length).toBeGreaterThan(200)
      expect(await effectiveRights(client, page)).toEqual(listed)
    }))

  test.each(changes)('notices %s', async (_what, statement, expected) => {
    expect(await differencesAfter(statement)).toEqual(expected)
  })

  test('notices a role that begins to inherit', async () => {
    const [listed, effective] = await db.experiment(async client => {
      // Before 16 the member's attribute decides for all its memberships.
      const has16 = (await versionOf(client)) >= 160000
      await client.query(
        has16 ? 'grant service_role to authenticator with inherit true' : 'alter role authenticator inherit',
      )
      expect(differences(page, await catalogueLines(client))).toContainEqual(
        add('## Roles: | authenticator | yes | – | anon, authenticated, service_role |'),
      )
      return [await listedRights(client, page), await effectiveRights(client, page)]
    })
    expect(effective.filter(line => !listed.includes(line))).toContain(
      'authenticator select auth.audit_log_entries',
    )
  })

  test.each([
    // auth_eraser only takes it away, say the policies.
    ['update auth.users.phone', ['auth_binder', 'auth_eraser', 'auth_merger', 'auth_steward']],
    ['insert auth.users.phone', []],
    ['insert auth.sessions.user_id', ['auth_signer']],
    ['update auth.sessions.user_id', ['auth_merger']],
    ['insert auth.identities.user_id', ['auth_holder', 'auth_signer']],
    ['update auth.identities.user_id', ['auth_merger']],
    // To `deleted-<id>` alone, say the policies.
    ['update auth.identities.provider_id', ['auth_eraser', 'auth_holder', 'auth_steward']],
    ['delete auth.users', ['auth_steward']],
    [
      'usage auth_private',
      [
        'auth_binder',
        'auth_courier',
        'auth_eraser',
        'auth_herald',
        'auth_holder',
        'auth_keeper',
        'auth_limiter',
        'auth_merger',
        'auth_receiver',
        'auth_revealer',
        'auth_signer',
        'auth_steward',
        'auth_watcher',
        'authenticator',
      ],
    ],
  ])('why a phone cannot end up on the wrong account: %s', async (right, roles) => {
    const lines = await db.experiment(client => effectiveRights(client, page))
    const holders = lines.filter(line => line.endsWith(` ${right}`)).map(line => line.split(' ')[0])
    expect(holders).toEqual(roles)
  })
})

describe('the page is read as it is written', () => {
  const table = '## Schemas\n\n| schema | may use it | *why* |\n|---|---|---|\n'

  test('lists in any order, and SQL by the letter', () => {
    const [line] = parse(`${table}| a | b, c | d |`)
    expect(line).toEqual({ under: '## Schemas', cells: ['a', 'b, c'] })
    expect(differences([line!], parse(`${table}| a | c, b | |`))).toEqual([])
    expect(differences([line!], parse(`${table}| a | b | |`))).toHaveLength(2)
    expect(
      differences(parse(`${table}| \`x, y\` | b | |`), parse(`${table}| \`y, x\` | b | |`)),
    ).toHaveLength(2)
  })

  test('a bar inside a cell', () => {
    expect(parse(`${table}| a \\|\\| b | c | |`)[0]!.cells).toEqual(['a || b', 'c'])
  })

  test('a line that stands there twice, or has a cell too few', () => {
    const twice = parse(`${table}| a | b | |\n| a | b | |`)
    expect(differences(twice, twice)).toEqual([expect.stringContaining('twice')])
    expect(() => parse(`${table}| a | b |`)).toThrow('as many cells')
  })
})
