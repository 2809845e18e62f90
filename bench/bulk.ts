import type { SiteDatabase } from './site.ts'

// Millions of rows go into tables without indexes and foreign keys, which are made afterwards, by sorting: into those that are
// there, by ids that are random, every row would touch a dozen pages all over the disk.

/** A table, and the statements that fill it. */
export interface Load {
  table: string
  statements: { text: string; values: unknown[] }[]
}

interface Definition {
  table: string
  drop: string
  make: string
}

/** What stands in the catalogue for these tables: foreign keys of theirs and to them, keys, and other indexes. */
const DEFINITIONS = {
  foreignKeys: `
    select conrelid::regclass::text as table, format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop,
      format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as make
    from pg_constraint
    where contype = 'f' and (conrelid = any ($1::text[]::regclass[]) or confrelid = any ($1::text[]::regclass[])) order by 3`,
  keys: `
    select conrelid::regclass::text as table, format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop,
      format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as make
    from pg_constraint where contype in ('p', 'u') and conrelid = any ($1::text[]::regclass[]) order by 3`,
  indexes: `
    select indrelid::regclass::text as table, format('drop index %s', indexrelid::regclass) as drop,
      pg_get_indexdef(indexrelid) as make
    from pg_index where indrelid = any ($1::text[]::regclass[])
      and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u')) order by 3`,
}

/** Fills tables, two at once, without their triggers. In the end they are as they were, which is looked at. */
export async function fill(
  { query }: Pick<SiteDatabase, 'query'>,
  loads: Load[],
  onProgress: (what: string) => void,
) {
  const tables = loads.map(({ table }) => table)
  const read = async () => ({
    foreignKeys: await query<Definition>(DEFINITIONS.foreignKeys, [tables]),
    keys: await query<Definition>(DEFINITIONS.keys, [tables]),
    indexes: await query<Definition>(DEFINITIONS.indexes, [tables]),
  })
  const before = await read()
  for (const { drop } of [...before.foreignKeys, ...before.keys, ...before.indexes]) await query(drop)
  await inTurns(loads, async ({ table, statements }) => {
    await query(`alter table ${table} disable trigger user`)
    for (const [index, { text, values }] of statements.entries()) {
      await query(text, values)
      onProgress(`${table}: ${index + 1} of ${statements.length} parts`)
    }
    await query(`alter table ${table} enable trigger user`)
    for (const { make } of [...before.keys, ...before.indexes].filter(one => one.table === table)) {
      await query(make)
      onProgress(make)
    }
  })
  for (const { make } of before.foreignKeys) {
    await query(make)
    onProgress(make)
  }
  if (JSON.stringify(await read()) !== JSON.stringify(before))
    throw new Error('The tables are not as they were before they were filled')
}

async function inTurns<T>(all: T[], work: (one: T) => Promise<void>) {
  const waiting = [...all]
  const chain = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) await work(one)
  }
  await Promise.all([chain(), chain()])
}
