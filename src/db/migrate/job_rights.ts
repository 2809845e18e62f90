import type pg from 'pg'
import type { Logger } from '../../log.ts'

/**
 * What sql/schema/auth_private/metrics.sql reads of jobs: the columns without what is in them. The view is graphile-worker's
 * own, whose next version may make it anew, without our grants: so they are no part of the schema, and `migrate` looks
 * every time.
 */
const COLUMNS = ['run_at', 'attempts', 'max_attempts', 'locked_at']

const MISSING = `
  select not has_schema_privilege('auth_watcher', 'graphile_worker', 'usage') or exists (
    select from unnest($1::text[]) c where not has_column_privilege('auth_watcher', 'graphile_worker.jobs', c, 'select')
  ) as answer`

/** No such schema, view, column or role; or it is not ours to grant. */
const NOT_AS_IT_WAS = ['3F000', '42P01', '42703', '42704', '42501']

/** Lets the metrics count jobs. Where it cannot, they do without. */
export async function grantJobs(client: pg.Client, log: Logger): Promise<void> {
  await client.query('savepoint before_grant')
  try {
    const { rows } = await client.query<{ answer: boolean }>(MISSING, [COLUMNS])
    if (!rows[0]!.answer) return
    await client.query('grant usage on schema graphile_worker to auth_watcher')
    await client.query(`grant select (${COLUMNS}) on graphile_worker.jobs to auth_watcher`)
  } catch (err) {
    if (!NOT_AS_IT_WAS.includes((err as { code?: string }).code ?? '')) throw err
    await client.query('rollback to before_grant')
    log.warn({ err }, 'the metrics cannot count jobs: the view graphile_worker.jobs is not as it was')
  }
}
