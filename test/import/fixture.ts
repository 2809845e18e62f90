import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runImport } from '../../src/import/import.ts'
import type { ImportOptions } from '../../src/import/options.ts'
import { SIMULATOR_APP_ID } from '../../src/simulator/index.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { record } from '../support/leaks.ts'
import { servers } from '../support/servers.ts'
import { type Shape, shapes } from './shapes.ts'

export const APP = SIMULATOR_APP_ID
export const OTHER_APP = 'wx00000000000000bb'

/** A database of another service, with the tables of this shape and nobody in them. */
export async function createSource(shape: Shape = 'supabase', server = servers[0]!): Promise<TestDatabase> {
  const db = await createDatabase({ migrated: false, server })
  await db.owner.query(shapes[shape])
  // Its habits are its own.
  await inItsOwnWay(db, { timezone: 'America/New_York', datestyle: 'SQL, DMY' })
  return {
    ...db,
    async drop() {
      // Phones stand in other tables there, too: nothing of it belongs into the search for leaks.
      await db.owner.query('drop schema auth cascade')
      await db.drop()
    },
  }
}

/** Changes settings of a database, for connections to come. */
export async function inItsOwnWay(db: TestDatabase, settings: Record<string, string>) {
  const { name } = await db.row<{ name: string }>('select current_database() as name')
  for (const [setting, value] of Object.entries(settings))
    await db.rows(`alter database ${name} set ${setting} = '${value}'`)
}

/** Puts a row there; objects are JSON. */
export async function add(db: TestDatabase, table: string, row: Record<string, unknown>) {
  const names = Object.keys(row)
  await db.rows(
    `insert into ${table} (${names.join(', ')}) values (${names.map((_, place) => `$${place + 1}`).join(', ')})`,
    Object.values(row),
  )
}

/** One that no other call has given, and tells which it is. */
export const idOf = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`

export type Overrides = Partial<ImportOptions> & Pick<ImportOptions, 'source'>

/** Runs an import in this process; what it prints is among the records. */
export async function importInto(db: TestDatabase, options: Overrides) {
  const lines: string[] = []
  const summary = await runImport(
    {
      ownerUrl: db.ownerUrl,
      appid: APP,
      batch: 1000,
      dryRun: false,
      skipConflicts: false,
      conflictsFile: undefined,
      bareNumbers: undefined,
      unconfirmedPhones: undefined,
      ...options,
    },
    { print: text => void lines.push(...text.split('\n')), progress: text => record('log', text) },
  )
  for (const line of lines) record('log', line)
  return { summary, lines, conflicts: lines.filter(line => line.startsWith('conflict ')) }
}

/** Makes a database as empty as it was. */
export const clear = (db: TestDatabase) =>
  db.owner.query(
    `delete from auth.users;
     do $$ begin if to_regclass('auth.audit_log_entries') is not null then delete from auth.audit_log_entries; end if; end $$`,
  )

/** What is here of users, identities and audit entries of imports; in order. */
export const everything = (db: TestDatabase) =>
  db.rows<{ row: string }>(
    `select to_jsonb(u)::text as row from auth.users u
     union all select to_jsonb(i)::text from auth.identities i
     union all select to_jsonb(a)::text from auth.audit_log_entries a order by 1`,
  )

/** Directories of files, which `removeFiles` takes away. */
const directories: string[] = []

export async function file(text: string | Buffer): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-import-'))
  directories.push(directory)
  await writeFile(join(directory, 'users.csv'), text)
  return join(directory, 'users.csv')
}

export const removeFiles = () =>
  Promise.all(directories.splice(0).map(directory => rm(directory, { recursive: true, force: true })))
