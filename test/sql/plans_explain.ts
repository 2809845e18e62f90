import pg from 'pg'
import type { Database, Statement } from '../../src/db/database.ts'

// What a function does inside is seen by auto_explain alone, which sends the plan of every nested statement as a notice.

export const MODES = ['custom', 'generic'] as const
/** How PostgreSQL plans what is prepared: for the values at hand; or, as in time on every connection, for any. */
export type Mode = (typeof MODES)[number]

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  'Actual Loops': number
  Plans?: PlanNode[]
}

/** How one table is reached: `index`, undefined where all of it is read; `isWhole`: no condition narrows the index. */
export interface Access {
  table: string
  index: string | undefined
  isWhole: boolean
  /** The statement inside, as its function has it. */
  text: string
}

/** Something that asks the database, by the code that does so in the service. */
export type Ask = (db: Database, query: pg.Client['query']) => Promise<unknown>

export async function openExplained(superuserUrl: string, mode: Mode) {
  const client = new pg.Client({ connectionString: superuserUrl })
  const plans: { 'Query Text': string; Plan: PlanNode }[] = []
  client.on('notice', ({ message = '' }) => {
    const json = /^duration: .* plan:\n(.*)$/s.exec(message)?.[1]
    if (json !== undefined) plans.push(JSON.parse(json))
  })
  await client.connect()
  await client.query(`load 'auto_explain'`)
  const settings = {
    'auto_explain.log_min_duration': 0,
    'auto_explain.log_nested_statements': 'on',
    'auto_explain.log_format': 'json',
    'auto_explain.log_analyze': 'on',
    'auto_explain.log_timing': 'off',
    'auto_explain.log_level': 'notice',
    plan_cache_mode: `force_${mode}_plan`,
  }
  for (const [name, value] of Object.entries(settings)) await client.query(`set ${name} = ${value}`)
  const asked = new Set<string>()
  const all = async ({ name, text }: Statement, values: unknown[]) => {
    asked.add(name)
    return (await client.query(text, values)).rows
  }
  const one = async (statement: Statement, values: unknown[]) => (await all(statement, values))[0]

  return {
    /** How its statements reach tables, as this login; `before` is done in the same transaction by a superuser. None of it stays. */
    async accessesOf(ask: Ask, login: string, before = ''): Promise<Access[]> {
      await client.query(`begin; ${before}; set local session authorization ${login}`)
      try {
        plans.length = 0
        await ask({ all, one } as unknown as Database, client.query.bind(client) as pg.Client['query'])
        return plans.flatMap(plan => accessesIn(mode, plan.Plan, plan['Query Text']))
      } finally {
        await client.query('rollback')
      }
    },
    /** The names of the service's statements that were among them. */
    asked,
    end: () => client.end(),
  }
}

export type Explained = Awaited<ReturnType<typeof openExplained>>

function accessesIn(mode: Mode, node: PlanNode, text: string, heap?: string): Access[] {
  const { Plans: below = [], 'Relation Name': table = heap, 'Index Name': index } = node
  const deeper = below.flatMap(child => accessesIn(mode, child, text, isBitmap(node) ? table : undefined))
  const isScan =
    / Scan$/.test(node['Node Type']) && table !== undefined && node['Node Type'] !== 'Bitmap Heap Scan'
  if (!isScan) return deeper
  // For the values at hand it was not needed. For others it might be.
  if (mode === 'custom' && node['Actual Loops'] === 0) return deeper
  return [{ table, index, isWhole: node['Index Cond'] === undefined, text }, ...deeper]
}

/** Its table stands above the scan of the index, with a BitmapAnd or a BitmapOr between them perhaps. */
const isBitmap = ({ 'Node Type': type }: PlanNode) => /^Bitmap(And|Or| Heap Scan)$/.test(type)
