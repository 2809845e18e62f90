import { open } from 'node:fs/promises'
import type pg from 'pg'
import { ImportError } from './error.ts'
import { type Kind, kinds } from './kinds.ts'

/** Takes conflicts, some at a time. */
export interface ConflictList {
  write(lines: string[][]): Promise<void>
  close(): Promise<void>
}

const COLUMNS = ['id', 'line', 'kind', 'value', 'help']

/** A file, made anew, for its owner's eyes; or, without a path, lines on the terminal. */
export async function openList(
  path: string | undefined,
  print: (line: string) => void,
): Promise<ConflictList> {
  if (path === undefined) {
    const write = async (lines: string[][]) => {
      for (const [id, line, kind, value, help] of lines)
        print(`conflict ${[id, line && `line ${line}`, kind, value].filter(Boolean).join(' ')}: ${help}`)
    }
    return { write, close: async () => {} }
  }
  const file = await open(path, 'w', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new ImportError(`${path} cannot be written: ${error.code}`, { cause: error })
  })
  const write = async (lines: string[][]) => {
    await file.write(lines.map(line => `${line.map(quote).join(',')}\n`).join(''))
  }
  await write([COLUMNS])
  return { write, close: () => file.close() }
}

/** What stands in the source may be meant for a terminal. */
const harmless = (text: string) => text.replace(/[\p{Cc}\p{Cf}]/gu, '?')

const quote = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

interface ConflictRow {
  id: string | null
  line: number | null
  kind: Kind
  value: string | null
}

/** Lists every conflict, in the order of the source. */
export async function listConflicts(client: pg.Client, list: ConflictList): Promise<void> {
  await client.query(
    `begin;
     declare conflicts no scroll cursor for
       select id, line, kind, value from pg_temp.import_conflicts order by n, seq`,
  )
  for (;;) {
    const { rows } = await client.query<ConflictRow>('fetch 1000 from conflicts')
    if (rows.length === 0) break
    await list.write(
      rows.map(({ id, line, kind, value }) => [
        id ?? '',
        String(line ?? ''),
        kind,
        harmless(value ?? ''),
        kinds[kind],
      ]),
    )
  }
  await client.query('commit')
}

/** What came of it, in numbers of users unless said otherwise. */
export interface Summary {
  read: number
  leftOut: Map<string, number>
  otherIdentities: Map<string, number>
  /** How many unconfirmed phones were asked to be dropped. */
  droppedPhones: number
  /** Written; in a dry run, or where conflicts prevent it: would be. */
  imported: number
  /** Of these: with neither openid nor phone. */
  bare: number
  here: number
  /** Users in whose way something stands. */
  conflicts: number
  /** How often, by the kind. */
  kinds: Map<string, number>
  written: boolean
}

export function describe(summary: Summary, { dryRun, list }: { dryRun: boolean; list: string | undefined }) {
  const { read, imported, bare, here, conflicts, leftOut, otherIdentities, written } = summary
  const outcome = written ? 'imported' : 'could be imported'
  const lines: [number, string, string][] = [
    [
      imported,
      outcome,
      bare > 0 ? `${bare} of them with neither openid nor phone: id and metadata only` : '',
    ],
    [here, 'imported before', ''],
    [total(leftOut), 'left out', parts(leftOut)],
    [conflicts, 'in conflict', parts(summary.kinds) + (list === undefined ? '' : `; each is in ${list}`)],
  ]
  return [
    `${read} users in the source:`,
    ...lines
      .filter(([number]) => number > 0)
      .map(([number, what, more]) => `${String(number).padStart(9)} ${what}${more && ` (${more})`}`),
    ...(otherIdentities.size > 0
      ? [`Identities of other providers are left out: ${parts(otherIdentities)}.`]
      : []),
    ...(summary.droppedPhones > 0
      ? [`${summary.droppedPhones} phones that the source never saw confirmed are dropped.`]
      : []),
    'Passwords, e-mail addresses, second factors and sessions are not taken: everybody signs in with WeChat.',
    ...(dryRun ? ['A dry run: nothing was written.'] : []),
    ...(!dryRun && !written
      ? [
          'Nothing was written, because of the conflicts: mend them, or import all others with --skip-conflicts.',
        ]
      : []),
  ].join('\n')
}

const total = (counts: Map<string, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0)
const parts = (counts: Map<string, number>) =>
  [...counts].map(([name, count]) => `${harmless(name)} ${count}`).join(', ')
