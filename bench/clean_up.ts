import { setTimeout as sleep } from 'node:timers/promises'
import { ask, type GrowthPlan, type Place } from './growth.ts'
import type { Measured } from './load.ts'
import { medianOf } from './medians.ts'
import { type Operation, rest } from './operations.ts'
import type { Site } from './site.ts'

// Does anybody notice that the worker deletes? In the large database half of the ledger, of the histories of phones, of the
// audit log and of the events is old enough. A worker runs in every round; in every other one it is given the job to clean up.

const OPERATIONS: Operation[] = ['bind', 'refresh']

export interface WithCleanUp {
  operation: Operation
  without: Measured
  with: Measured
  /** Requests a second beside the clean-up by those without. */
  ratio: number
  /** Rows a second, in the rounds with. */
  deleted: number
  /** Rounds with, in which it had come to its end. */
  idleRounds: number
}

export async function measureCleanUp(plan: GrowthPlan, site: Site, large: Place): Promise<WithCleanUp[]> {
  await drainEvents(site, large)
  const all: WithCleanUp[] = []
  for (const operation of OPERATIONS) {
    const found = { without: [] as Measured[], with: [] as Measured[] }
    const deleted: number[] = []
    for (let round = 0; round < plan.rounds; round++)
      for (const kind of ['without', 'with'] as const) {
        const worker = await site.startWorker(large)
        if (kind === 'with') await large.query(`select graphile_worker.add_job('clean_up')`)
        await sleep(500)
        const before = await deletedRows(large)
        found[kind].push(await ask(site, large, rest, operation, plan.seconds))
        if (kind === 'with') deleted.push((await deletedRows(large)) - before)
        await worker.end()
      }
    const [without, beside] = [medianOf(found.without), medianOf(found.with)]
    all.push({
      operation,
      without,
      with: beside,
      ratio: Number((beside.perSecond / without.perSecond).toFixed(3)),
      deleted: Math.round(deleted.reduce((sum, rows) => sum + rows, 0) / plan.rounds / plan.seconds),
      idleRounds: deleted.filter(rows => rows === 0).length,
    })
    print(all.at(-1)!)
  }
  return all
}

/** What was written before has to be relayed first, and would be relayed beside the first rounds. */
async function drainEvents(site: Site, large: Place): Promise<void> {
  const worker = await site.startWorker(large)
  const waiting = 'select from auth_private.events where relayed_at is null limit 1'
  while ((await large.query(waiting)).length > 0) await sleep(500)
  await worker.end()
}

/** As the statistics have them, which are a second late at most. */
const deletedRows = async ({ query }: Place) => {
  const [row] = await query<{ rows: number }>(
    `select sum(n_tup_del)::float8 as rows from pg_stat_user_tables where schemaname in ('auth', 'auth_private')`,
  )
  return row!.rows
}

function print({ operation, ratio, deleted, idleRounds, ...found }: WithCleanUp): void {
  const idle = idleRounds > 0 ? `; nothing was left to delete in ${idleRounds} rounds` : ''
  console.log(`\n${operation} beside the clean-up (${deleted} rows a second${idle}): with ÷ without ${ratio}`)
  console.table({ without: found.without, with: found.with })
}
