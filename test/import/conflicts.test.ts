import { readFile } from 'node:fs/promises'
import { kinds } from '../../src/import/kinds.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { cases, confirmed, parse, sorted, user } from './conflict_cases.ts'
import { add, clear, createSource, everything, file, idOf, importInto, removeFiles } from './fixture.ts'

// Who cannot be imported, and why. Beside each there is somebody else (9) in whose way nothing stands.

let db: TestDatabase
let made: TestDatabase
beforeAll(async () => {
  ;[db, made] = await Promise.all([createDatabase(), createSource('memfire')])
})
afterEach(() => Promise.all([clear(db), clear(made)]))
afterAll(() => Promise.all([db.drop(), made.drop(), removeFiles()]))

test.each(Object.entries(cases))('%s', async (_, { source, here = [], options = {}, conflicts }) => {
  for (const [table, row] of here) await add(db, table, row)
  for (const [table, row] of [...source, user(9, { raw_user_meta_data: {} })]) await add(made, table, row)
  const from = { source: { from: made.ownerUrl }, ...options }
  const expected = conflicts.map(([number, kind, value]) => [idOf(number), kind, value ?? ''])
  const inConflict = new Set(conflicts.map(([number]) => number)).size
  const before = await everything(db)

  for (const dryRun of [true, false]) {
    const { summary, conflicts: lines } = await importInto(db, { ...from, dryRun })
    expect(summary).toMatchObject({ conflicts: inConflict, imported: 1, written: false })
    expect(sorted(lines.map(parse))).toEqual(sorted(expected))
  }
  expect(await everything(db)).toEqual(before)

  const skipping = await importInto(db, { ...from, skipConflicts: true })
  expect(skipping.summary).toMatchObject({ conflicts: inConflict, imported: 1, written: true })
  expect(sorted(skipping.conflicts.map(parse))).toEqual(sorted(expected))
  expect(await everything(db)).toHaveLength(before.length + 2)
  expect(await db.rows('select id from auth.users where id = $1', [idOf(9)])).toHaveLength(1)
})

test('conflicts go to a file that spreadsheets read', async () => {
  await add(made, ...user(1, confirmed('13800138000')))
  await add(made, ...user(2, { raw_app_meta_data: '[]' }))
  const path = await file('what stood there before, and was longer than what comes now. '.repeat(100))
  const { lines } = await importInto(db, { source: { from: made.ownerUrl }, conflictsFile: path })
  expect(lines.join('\n')).toContain(`2 in conflict (ill_formed 1, phone_ambiguous 1; each is in ${path})`)
  expect(lines.filter(line => line.startsWith('conflict '))).toEqual([])
  expect(await readFile(path, 'utf8')).toBe(
    `id,line,kind,value,help
${idOf(1)},,phone_ambiguous,138****8000,${kinds.phone_ambiguous}
${idOf(2)},,ill_formed,app_metadata,${kinds.ill_formed}
`,
  )
})
