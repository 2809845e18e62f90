import { setTimeout as sleep } from 'node:timers/promises'
import { ask, type GrowthPlan, type Place } from './growth.ts'
import type { Measured } from './load.ts'
import { medianOf, ratiosOf } from './medians.ts'
import { type Operation, rest } from './operations.ts'
import type { Site } from './site.ts'

// Does anybody notice that the worker deletes? In the large database half of the ledger, of the histories of phones, of the
// audit log and of the events is old enough. A worker runs in every round; in every other one it is given the job to clean up.

const OPERATIONS: Operation[] = ['bind', 'refresh']

export interface WithCleanUp {
  operation: Operation
  /** Rounds in which something was deleted; with few users there is soon nothing left. The others do not count. */
  rounds: number
  without: Measured
  with: Measured
  /** Requests a second beside the clean-up by those without it. */
  ratio: number
  processorRatio: number | null
  /** Rows in a round, on average. */
  deleted: number
}

interface Pair {
  operation: Operation
  without: Measured
  with: Measured
  deleted: number
}

export async function measureCleanUp(plan: GrowthPlan, site: Site, large: Place): Promise<WithCleanUp[]> {
  await drainEvents(site, large)
  const pairs: Pair[] = []
  for (let round = 0; round < plan.rounds; round++)
    for (const operation of OPERATIONS) {
      const without = await beside(plan, site, large, operation, '')
      const cleaning = await beside(
        plan,
        site,
        large,
        operation,
        `select graphile_worker.add_job('clean_up')`,
      )
      pairs.push({ operation, without: without.measured, with: cleaning.measured, deleted: cleaning.deleted })
    }
  return OPERATIONS.flatMap(operation => {
    const found = pairs.filter(pair => pair.operation === operation && pair.deleted > 0)
    if (found.length === 0) {
      console.log(`\n${operation}: there was nothing left to delete`)
      return []
    }
    const [without, cleaning] = [medianOf(found.map(it => it.without)), medianOf(found.map(it => it.with))]
    const deleted = Math.round(found.reduce((sum, it) => sum + it.deleted, 0) / found.length)
    const ratios = ratiosOf(cleaning, without)
    return [print({ operation, rounds: found.length, without, with: cleaning, ...ratios, deleted })]
  })
}

/** A round beside a worker of its own, which does `job`. */
async function beside(plan: GrowthPlan, site: Site, large: Place, operation: Operation, job: string) {
  const worker = await site.startWorker(large)
  const before = await deletedRows(large)
  await large.query(job)
  await sleep(500)
  const measured = await ask(site, large, rest, operation, plan.seconds)
  await worker.end()
  return { measured, deleted: (await deletedRows(large)) - before }
}

/** What was written before has to be relayed first, and would be relayed beside the first rounds. */
async function drainEvents(site: Site, large: Place): Promise<void> {
  const worker = await site.startWorker(large)
  const waiting = 'select from auth_private.events where relayed_at is null limit 1'
  while ((await large.query(waiting)).length > 0) await sleep(500)
  await worker.end()
}

/** As the statistics have them, which may be a second late. */
const deletedRows = async ({ query }: Place) => {
  await sleep(1000)
  const [row] = await query<{ rows: number }>(
    `select sum(n_tup_del)::float8 as rows from pg_stat_user_tables where schemaname in ('auth', 'auth_private')`,
  )
  return row!.rows
}

function print(found: WithCleanUp): WithCleanUp {
  const { operation, ratio, processorRatio, deleted, rounds } = found
  console.log(
    `\n${operation} beside the clean-up (${deleted} rows a round, ${rounds} rounds): with ÷ without ${ratio}; by processor time ${processorRatio}`,
  )
  console.table({ without: found.without, with: found.with })
  return found
}
