import { readFileSync } from 'node:fs'
import type pg from 'pg'

/** A row of a table of sql/privileges.md, without the columns that are for people only. */
export interface Line {
  /** The heading above it, such as `### auth.users`. */
  under: string
  /** What stands in backticks is SQL; anything else is a list, in any order. */
  cells: string[]
}

const NAME = 'sql/privileges.md'

export const readPage = (): Line[] =>
  parse(readFileSync(new URL('../../sql/privileges.md', import.meta.url), 'utf8'))

/** The rows of all tables. A column with an italic heading is for people only. */
export function parse(markdown: string): Line[] {
  const lines: Line[] = []
  let under = ''
  let header: string[] | undefined
  for (const text of markdown.split('\n')) {
    const cells = text.startsWith('|') ? split(text) : undefined
    if (text.startsWith('#')) under = text
    if (!cells) header = undefined
    else if (!header) header = cells
    else if (!cells.every(cell => /^-+$/.test(cell))) {
      if (cells.length !== header.length) throw new Error(`${NAME}: as many cells as the header has: ${text}`)
      lines.push({ under, cells: cells.filter((_cell, index) => !header![index]!.startsWith('*')) })
    }
  }
  return lines
}

/** `\|` is a bar in a cell. */
const split = (text: string) =>
  text
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map(cell => cell.trim().replaceAll('\\|', '|'))

const key = ({ under, cells }: Line) => JSON.stringify([under, ...cells.map(canonical)])
const canonical = (cell: string) => (cell.startsWith('`') ? cell : cell.split(', ').sort().join(', '))

const show = ({ under, cells }: Line) =>
  `under ${under}: | ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`

/** What is to be done to the page, a line each, so that it says what the database has. */
export function differences(page: Line[], database: Line[]): string[] {
  const listed = new Set(page.map(key))
  const present = new Set(database.map(key))
  return [
    ...database.filter(line => !listed.has(key(line))).map(line => `add to ${NAME} ${show(line)}`),
    ...page.filter(line => !present.has(key(line))).map(line => `not in the database, ${NAME} ${show(line)}`),
    ...page
      .filter((line, index) => page.findIndex(other => key(other) === key(line)) < index)
      .map(line => `twice in ${NAME} ${show(line)}`),
  ]
}

/** Lets PostgreSQL write the conditions of the page's policies as it writes those that it has. */
export async function withPlainConditions(client: pg.ClientBase, page: Line[]): Promise<Line[]> {
  const lines: Line[] = []
  for (const line of page) lines.push(isPolicy(line) ? await plain(client, line) : line)
  return lines
}

const isPolicy = ({ under, cells }: Line) => under.startsWith('### ') && cells.length === 5

async function plain(client: pg.ClientBase, { under, cells }: Line): Promise<Line> {
  const [name, roles, command, using, check] = cells as [string, string, string, string, string]
  const sql = (cell: string) => cell.replace(/^`(.*)`$/, '$1')
  const table = under.replace('### ', '')
  const { rows } = await client
    .query(
      `create policy probe on ${table} for ${command.split(', ')[0]}
         ${using ? `using (${sql(using)})` : ''} ${check ? `with check (${sql(check)})` : ''};
       select coalesce('\`' || pg_get_expr(polqual, polrelid) || '\`', '') as using,
              coalesce('\`' || pg_get_expr(polwithcheck, polrelid) || '\`', '') as check
       from pg_policy where polname = 'probe' and polrelid = '${table}'::regclass;
       drop policy probe on ${table}`,
    )
    .then(results => (results as unknown as pg.QueryResult[])[1]!)
    .catch(error => {
      throw new Error(`${NAME}: the policy ${name} is no policy: ${error.message}`)
    })
  return { under, cells: [name, roles, command, oneLine(rows[0].using), oneLine(rows[0].check)] }
}

/** PostgreSQL breaks conditions into lines. */
export const oneLine = (cell: string) => cell.replace(/\s+/g, ' ')
