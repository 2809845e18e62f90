import type { Operation } from '../operations.ts'
import { CONNECTIONS, OURS, type Results, rowOf } from './results.ts'
import { table, whole } from './tables.ts'

// The tables of docs/scale.md: what was measured, times what is assumed.

const SIZES = [1e6, 10e6, 100e6]
const DAY = 86_400

/** Assumed; docs/scale.md says so. */
const ACTIVE = 0.2
const PER_ACTIVE: Record<Exclude<Operation, 'bind'>, number> = { 'sign-in': 1, refresh: 2, 'current user': 3 }
const PEAK = 10
const BINDING_IN_AN_HOUR = 0.01
const BINDING_IN_A_YEAR = 0.5
/** What a processor is given to do, so that a peak is no queue. */
const BUSY = 0.5

/** That wait for the disk or not. A current user writes nothing. */
const COMMITS: Record<Operation, number> = { 'sign-in': 1, refresh: 1, 'current user': 0, bind: 2 }
const ROWS: { what: string; table: string; days: number; of: (users: number) => number }[] = [
  { what: 'users', table: 'auth.users', days: 0, of: users => users },
  { what: 'identities', table: 'auth.identities', days: 0, of: users => users },
  { what: 'history of phones', table: 'auth.phone_changes', days: 0, of: users => users },
  { what: 'sessions', table: 'auth.sessions', days: 365, of: users => perDay('sign-in', users) },
  {
    what: 'audit entries',
    table: 'auth.audit_log_entries',
    days: 365,
    of: users => perDay('sign-in', users),
  },
  { what: 'events', table: 'auth_private.events', days: 30, of: users => perDay('sign-in', users) },
  {
    what: 'ledger of codes',
    table: 'auth_private.wechat_codes',
    days: 7,
    of: users => (BINDING_IN_A_YEAR * users) / 365,
  },
]

type Daily = Exclude<Operation, 'bind'>
const operations: Operation[] = ['sign-in', 'refresh', 'current user', 'bind']
const digits = (value: number) => (value < 9.95 ? value.toFixed(1) : whole(value))
const perDay = (operation: Daily, users: number) => ACTIVE * PER_ACTIVE[operation] * users
const atPeak = (operation: Operation, users: number) =>
  operation === 'bind' ? (BINDING_IN_AN_HOUR * users) / 3600 : (PEAK * perDay(operation, users)) / DAY

export function capacity(results: Results): string {
  const costs = operations.map(operation => {
    const ours = rowOf(results, operation, CONNECTIONS)?.systems[OURS.REST]
    const wal = results.footprint?.result.wal.find(one => one.operation === operation)
    return {
      operation,
      node: ours?.nodeMs ?? Number.NaN,
      postgres: ours?.postgresMs ?? Number.NaN,
      least: wal?.warm.bytes ?? Number.NaN,
      most: wal?.cold.bytes ?? Number.NaN,
    }
  })
  type Cost = (typeof costs)[number]
  const sum = (users: number, of: (cost: Cost) => number) =>
    costs.reduce((total, cost) => total + atPeak(cost.operation, users) * of(cost), 0)
  const row = (name: string, value: (users: number) => string) => [name, ...SIZES.map(value)]
  const head = SIZES.map(users => `${users / 1e6} million users`)

  return [
    table(
      ['operation, REST', 'Node ms', 'PostgreSQL ms', 'commits', 'WAL bytes', 'WAL bytes after a checkpoint'],
      costs.map(({ operation, node, postgres, least, most }) => [
        operation,
        node.toFixed(2),
        postgres.toFixed(2),
        COMMITS[operation],
        whole(least),
        whole(most),
      ]),
    ),
    table(
      ['at the peak, a second', ...head],
      operations.map(operation =>
        row(
          operation === 'bind'
            ? `bind: ${BINDING_IN_AN_HOUR} × users ÷ 3,600`
            : `${operation}: ${PEAK} × ${ACTIVE} × ${PER_ACTIVE[operation]} × users ÷ 86,400`,
          users => digits(atPeak(operation, users)),
        ),
      ),
    ),
    table(
      ['what that needs', ...head],
      [
        row('processors busy with Node: Σ rate × Node ms ÷ 1,000', users =>
          digits(sum(users, cost => cost.node) / 1000),
        ),
        row(
          '**service processes**, each half busy',
          users => `**${whole(Math.max(2, Math.ceil(sum(users, cost => cost.node) / 1000 / BUSY)))}**`,
        ),
        row('processors busy with PostgreSQL', users => digits(sum(users, cost => cost.postgres) / 1000)),
        row(
          '**processors of the primary**, half busy',
          users => `**${whole(Math.max(2, Math.ceil(sum(users, cost => cost.postgres) / 1000 / BUSY)))}**`,
        ),
        row('commits a second', users => digits(sum(users, cost => COMMITS[cost.operation]))),
        row('WAL, MB a second: between checkpoints', users => digits(sum(users, cost => cost.least) / 1e6)),
        row(
          '**WAL, MB a second: right after one**',
          users => `**${digits(sum(users, cost => cost.most) / 1e6)}**`,
        ),
      ],
    ),
    ...disk(results, head),
  ].join('\n\n')
}

function disk({ footprint }: Results, head: string[]): string[] {
  if (!footprint) return []
  const bytesOf = (name: string) => {
    const found = footprint.result.tables.find(one => one.table === name)
    return found ? found.bytes / found.rows : Number.NaN
  }
  const gigabytes = (bytes: number) => digits(bytes / 1e9)
  const size = ({ table, days, of }: (typeof ROWS)[number], users: number) =>
    bytesOf(table) * of(users) * Math.max(1, days)
  return [
    table(
      ['disk after a year, GB with indexes', 'bytes a row', ...head],
      [
        ...ROWS.map(one => [
          `${one.what}${one.days ? `, of ${one.days} days` : ', one a user'}`,
          whole(bytesOf(one.table)),
          ...SIZES.map(users => gigabytes(size(one, users))),
        ]),
        [
          '**together**',
          '',
          ...SIZES.map(users => `**${gigabytes(ROWS.reduce((all, one) => all + size(one, users), 0))}**`),
        ],
      ],
    ),
  ]
}
