import pg from 'pg'

/** The statement failed; the message is PostgreSQL's. */
export class SqlError extends Error {}

/** Runs one statement and answers its rows as a table of text; values as PostgreSQL writes them. Raises SqlError. */
export async function runSql(url: string, statement: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, application_name: 'postgraphile-wechat sql' })
  const asText = { getTypeParser: () => String } as unknown as pg.CustomTypesConfig
  client.on('error', () => {})
  try {
    await client.connect()
    const result = await client.query({ text: statement, rowMode: 'array', types: asText })
    // Several statements in one text: the last one's answer, as psql -c shows it.
    const { fields, rows, command, rowCount } = [result].flat().at(-1)!
    if (fields.length === 0) return `${command} ${rowCount ?? ''}`.trim()
    return table(
      fields.map(({ name }) => name),
      rows,
    )
  } catch (error) {
    const { message, hint } = error as pg.DatabaseError
    throw new SqlError([message, hint].filter(Boolean).join('\n'), { cause: error })
  } finally {
    await client.end()
  }
}

function table(names: string[], rows: (string | null)[][]): string {
  const cells = [names, ...rows.map(row => row.map(value => value ?? ''))]
  const widths = names.map((_, column) => Math.max(...cells.map(row => row[column]!.length)))
  const [head, ...body] = cells.map(row =>
    row
      .map((value, column) => value.padEnd(widths[column]!))
      .join(' | ')
      .trimEnd(),
  )
  const rule = widths.map(width => '-'.repeat(width)).join('-+-')
  return [head, rule, ...body, `(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`].join('\n')
}
