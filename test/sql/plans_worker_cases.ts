import type { JobHelpers } from 'graphile-worker'
import { cleanUpTask } from '../../src/tasks/clean_up.ts'
import { type Delivery, deliveriesOf, type Query } from '../../src/tasks/deliveries.ts'
import { RETENTION, rules } from '../../src/tasks/retention.ts'
import type { Case } from './plans_cases.ts'
import { FIRST_PUSH, idOf, openidOf, phoneOf, unionidOf } from './plans_crowd.ts'
import type { Ask } from './plans_explain.ts'

const sql =
  (text: string, values: unknown[] = []): Ask =>
  (_db, query) =>
    query(text, values)

const subscriber =
  (work: (deliveries: ReturnType<typeof deliveriesOf>) => Promise<unknown>): Ask =>
  (_db, query) =>
    work(deliveriesOf(query as Query, idOf('webhook', 1)))
const delivery = { id: '1' } as Delivery

/** The first batch of what is deleted by age. */
const cleanUps = Object.fromEntries(
  rules.map(({ table, text, days }): [string, Case] => [
    `clean up ${table.split('.')[1]}`,
    sql(text, [days({ ...RETENTION, tombstones: 365 })]),
  ]),
)

/** The same of the counters, whose statement only the task has. */
const cleanUpCounters: Ask = (_db, query) => {
  const nothing = { rows: [{ deleted: 0 }], rowCount: 0 }
  const some = (text: string) => (text.includes('rate_limits') ? query(text) : nothing)
  return cleanUpTask(RETENTION)({}, { query: some } as unknown as JobHelpers) as Promise<void>
}

const APPLY = 'select auth_private.wechat_apply_push($1)'

/** As the worker, whose login is the owner's. */
export const workerCases: Record<string, Case> = {
  'relay events': sql('select auth_private.relay_events(500)'),
  'relay pushes': sql('select auth_private.relay_pushes(500)'),
  'deliveries, due': subscriber(it => it.due([idOf('user', 1)], 10)),
  'deliveries, delivered': subscriber(it => it.delivered(delivery)),
  'deliveries, failed': subscriber(it => it.failed(delivery, { reason: 'a test' }, 5)),
  'deliveries, given up': subscriber(it => it.failed(delivery, { reason: 'a test' }, null)),
  'deliveries, held back': subscriber(it => it.holdBack()),
  'push, revoked phone': sql(APPLY, [FIRST_PUSH]),
  'push, cancellation': sql(APPLY, [FIRST_PUSH + 1]),
  'clean up rate_limits': cleanUpCounters,
  ...cleanUps,
}

/** As whoever has the database open, an administrator with psql. */
export const psqlCases: Record<string, Case> = {
  'psql, find by phone': sql('select * from auth.admin_find_user($1)', [phoneOf(1)]),
  'psql, find by id': sql('select * from auth.admin_find_user($1)', [idOf('user', 1)]),
  'psql, find by openid': sql('select * from auth.admin_find_user($1)', [openidOf(1)]),
  'psql, by unionid': sql(
    'select id from auth.users where wechat_unionid = $1 and deleted_at is null and merged_into is null',
    [unionidOf(1)],
  ),
  'psql, who had this phone': sql('select * from auth.phone_changes where phone = $1', [phoneOf(1)]),
  'psql, reassign': sql('select auth.admin_reassign_phone($1, $2, $3)', [
    idOf('user', 1),
    phoneOf(2),
    'a test',
  ]),
  'psql, merge': {
    before: `delete from auth.identities where user_id = '${idOf('user', 2)}'`,
    ask: sql('select auth.admin_merge_users($1, $2, $3)', [idOf('user', 1), idOf('user', 2), 'a test']),
  },
  'psql, export': sql('select auth.admin_export_user($1)', [idOf('user', 1)]),
  'psql, failed deliveries': sql('select * from auth.admin_list_failed_deliveries($1)', [idOf('webhook', 1)]),
  'psql, replay': sql('select auth.admin_replay_deliveries($1)', [idOf('webhook', 1)]),
  'support, a user': sql('select * from auth.users_masked where id = $1', [idOf('user', 1)]),
}
