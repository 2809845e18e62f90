import { COUNTED } from '../metrics/catalogue.ts'
import { LIVING } from '../tasks/abandoned_jobs.ts'
import { LATE } from './catalogue.ts'
import type { Context } from './context.ts'
import { type Finding, need, ok, plural, Skipped, warning } from './finding.ts'
import type { Session } from './session.ts'

export const backgroundChecks = ({ database, metrics }: Context) => ({
  worker: async () => worker(await need(database)),
  events: async () => events(await numbers(database, metrics)),
  deliveries: async () => deliveries(await numbers(database, metrics)),
  jobs: async () => jobs(await numbers(database, metrics)),
})

/** Of a metric and the state it is about; undefined: it is not told. */
type Numbers = (name: string, state?: string) => number | undefined

/** Where there is no schema, or no right to it, others say so. */
export async function metricsOf({ database, metrics }: Pick<Context, 'database' | 'metrics'>) {
  await need(database)
  return metrics.catch((error: Error & { code?: string }) => {
    if (['42883', '3F000', '42501', '42P01'].includes(error.code ?? ''))
      throw new Skipped('the schema is not there, or the login may not look at it')
    throw error
  })
}

async function numbers(database: Context['database'], metrics: Context['metrics']): Promise<Numbers> {
  const rows = await metricsOf({ database, metrics })
  return (name, state) => rows.find(row => row.name === name && row.labels.state === state)?.value
}

async function worker({ row }: Session): Promise<Finding> {
  const { workers } = await row<{ workers: number }>(LIVING)
  if (workers > 0) return ok(`${plural(workers, 'worker')} at work`)
  return warning(
    'no worker lives: events, clean-up and access tokens wait for one',
    'Start "postgraphile-wechat worker" with DATABASE_OWNER_URL.',
  )
}

const count = (number = 0) => (number >= COUNTED ? `${COUNTED} or more` : String(number))

function events(numberOf: Numbers): Finding {
  const age = numberOf('outbox_oldest_event_seconds') ?? 0
  const waiting = numberOf('outbox_events')
  if (age <= LATE.events) return ok(waiting ? `${count(waiting)} on their way` : 'none waits')
  return warning(
    `${count(waiting)} ${waiting === 1 ? 'waits' : 'wait'}, the oldest for ${Math.round(age)} s`,
    'Is a worker running, and what does its log say? Nothing is lost meanwhile.',
  )
}

function deliveries(numberOf: Numbers): Finding[] {
  const failed = numberOf('deliveries', 'failed') ?? 0
  const retrying = numberOf('deliveries', 'retrying')
  const late = numberOf('deliveries_oldest_due_seconds') ?? 0
  const found = [
    failed > 0 &&
      warning(
        `${count(failed)} ${failed === 1 ? 'was' : 'were'} given up`,
        'auth.admin_list_failed_deliveries says why, auth.admin_replay_deliveries lets them be tried again (docs/webhooks.md).',
      ),
    late > LATE.deliveries &&
      warning(
        `one has been due for ${Math.round(late)} s`,
        'A subscriber is slow, or no worker lives: auth.admin_list_webhooks shows who waits for what.',
      ),
  ].filter(finding => finding !== false)
  if (found.length > 0) return found
  return [
    ok(retrying ? `${count(retrying)} ${retrying === 1 ? 'is' : 'are'} tried again` : 'none has failed'),
  ]
}

function jobs(numberOf: Numbers): Finding[] {
  const failed = numberOf('jobs', 'failed')
  if (failed === undefined)
    return [
      warning('they cannot be seen', 'Run "postgraphile-wechat migrate": it lets the service count them.'),
    ]
  const late = numberOf('jobs_oldest_due_seconds') ?? 0
  const found = [
    failed > 0 &&
      warning(
        `${count(failed)} ${failed === 1 ? 'has' : 'have'} failed for good`,
        'As the owner: select id, task_identifier, last_error from graphile_worker.jobs where attempts >= max_attempts;',
      ),
    late > LATE.jobs &&
      warning(
        `one has been due for ${Math.round(late)} s`,
        'No worker lives, or none knows the task: select task_identifier, run_at from graphile_worker.jobs order by run_at limit 5;',
      ),
  ].filter(finding => finding !== false)
  return found.length > 0 ? found : [ok('none has failed')]
}
