import type pg from 'pg'
import { explainOvertaken, findConflicts, markHere } from './conflicts.ts'
import { csvSource } from './csv_source.ts'
import { databaseSource } from './database_source.ts'
import { named } from './error.ts'
import type { ImportOptions } from './options.ts'
import { describe, listConflicts, openList, type Summary } from './report.ts'
import { count, type Source } from './source.ts'
import { analyzeStaging, createStaging, indexStaging, stage } from './staging.ts'
import { openTarget, TARGET } from './target.ts'
import { isDropped, toStaged } from './users.ts'
import { writeUsers } from './write.ts'

export { ImportError } from './error.ts'

export interface Outlets {
  /** What was asked for. */
  print(line: string): void
  /** How far it is. */
  progress(line: string): void
}

/** How many users are fetched, parsed and staged at a time. */
const STAGED_AT_ONCE = 500

/**
 * Takes the users of the source into our tables: all of them into temporary tables first, then those in whose way nothing
 * stands, a batch a transaction, each user whole or not at all. It may be killed at any moment, and run again: whoever was
 * imported is skipped. Raises ImportError where it cannot be done.
 */
export async function runImport(options: ImportOptions, { print, progress }: Outlets): Promise<Summary> {
  const { conflictsFile, dryRun } = options
  const toClose: { close(): Promise<void> }[] = []
  const opened = <Thing extends { close(): Promise<void> }>(thing: Thing) => {
    toClose.push(thing)
    return thing
  }
  try {
    const list = opened(await openList(conflictsFile, print))
    const source = opened(await openSource(options.source))
    const target = opened(await openTarget(options.ownerUrl)).client
    const found = await stageAll(target, source, options, progress)
    await source.close()
    const summary = await importStaged(target, found, options, progress)
    await listConflicts(target, list)
    print(describe(summary, { dryRun, list: conflictsFile }))
    return summary
  } catch (error) {
    throw named(TARGET, error)
  } finally {
    for (const thing of toClose) await thing.close()
  }
}

const openSource = async (from: ImportOptions['source']): Promise<Source> =>
  'from' in from ? databaseSource(from.from) : csvSource(from.csv)

/** Every ten thousand users it is told how far we are. */
const isMark = (before: number, after: number) => Math.floor(before / 10_000) < Math.floor(after / 10_000)

type Found = Pick<Summary, 'read' | 'leftOut' | 'otherIdentities' | 'droppedPhones'>

async function stageAll(
  target: pg.Client,
  source: Source,
  options: ImportOptions,
  progress: Outlets['progress'],
): Promise<Found> {
  const found: Found = { read: 0, leftOut: new Map(), otherIdentities: new Map(), droppedPhones: 0 }
  let n = 0
  await createStaging(target)
  for await (const { users, leftOut, otherIdentities } of source.batches(STAGED_AT_ONCE)) {
    await stage(
      target,
      users.map(user => toStaged(user, ++n, options)),
    )
    for (const [reason, number] of leftOut) count(found.leftOut, reason, number)
    for (const [provider, number] of otherIdentities) count(found.otherIdentities, provider, number)
    found.droppedPhones += users.filter(user => isDropped(user, options)).length
    found.read += users.length + [...leftOut.values()].reduce((sum, number) => sum + number, 0)
    if (isMark(n - users.length, n)) progress(`read ${found.read} users`)
  }
  await analyzeStaging(target)
  return found
}

async function importStaged(
  target: pg.Client,
  found: Found,
  { batch, dryRun, skipConflicts }: ImportOptions,
  progress: Outlets['progress'],
): Promise<Summary> {
  await markHere(target)
  await indexStaging(target)
  await analyzeStaging(target)
  await findConflicts(target)
  const { conflicts, imported: importable } = await statesOf(target)
  const written = !dryRun && (conflicts === 0 || skipConflicts)
  if (written) {
    let done = 0
    await writeUsers(target, batch, () => {
      done += batch
      if (isMark(done - batch, done)) progress(`written ${Math.min(done, importable)} of ${importable} users`)
    })
    await explainOvertaken(target)
  }
  return { ...found, ...(await statesOf(target)), kinds: await kindsOf(target), written }
}

async function statesOf(target: pg.Client) {
  const { rows } = await target.query<Pick<Summary, 'imported' | 'bare' | 'here' | 'conflicts'>>(
    `select count(*) filter (where is_in)::integer as imported,
       count(*) filter (where is_in and phone is null and wechat_id is null)::integer as bare,
       count(*) filter (where state = 'here')::integer as here,
       count(*) filter (where state = 'conflict')::integer as conflicts
     from (select *, state in ('new', 'written') as is_in from pg_temp.import_users) s`,
  )
  return rows[0]!
}

async function kindsOf(target: pg.Client): Promise<Map<string, number>> {
  const { rows } = await target.query<{ kind: string; count: number }>(
    'select kind, count(*)::integer from pg_temp.import_conflicts group by kind order by kind',
  )
  return new Map(rows.map(({ kind, count }) => [kind, count]))
}
