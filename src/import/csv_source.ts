import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { maskPhones } from '../log.ts'
import { type Column, columns, toUser } from './csv_values.ts'
import { ImportError } from './error.ts'
import { type Batch, emptyBatch, type Source } from './source.ts'

/** Bounds what an unclosed quote collects. */
const MAX_ROW_BYTES = 1024 * 1024

/** The users of a CSV file, line by line. */
export function csvSource(path: string): Source {
  return { batches: size => batchesOf(path, size), close: async () => {} }
}

async function* batchesOf(path: string, size: number): AsyncGenerator<Batch> {
  let batch = emptyBatch()
  let header: Column[] | undefined
  for await (const { record, line } of rowsOf(path)) {
    if (!header) {
      header = toHeader(path, record)
      continue
    }
    const user = toUser(line, Object.fromEntries(header.map((name, place) => [name, record[place] ?? ''])))
    if (record.length !== header.length) user.illFormed.push(`${record.length} fields, not ${header.length}`)
    batch.users.push(user)
    if (batch.users.length < size) continue
    yield batch
    batch = emptyBatch()
  }
  if (!header) throw new ImportError(`${path} is empty: its first line must name the columns`)
  yield batch
}

interface Row {
  record: string[]
  /** Where it begins. */
  line: number
}

async function* rowsOf(path: string): AsyncGenerator<Row> {
  const rows = pipeline(
    Readable.from(linesOf(path)),
    parse({
      record_delimiter: '\n',
      info: true,
      skip_empty_lines: true,
      // The number of fields is looked at here: one bad row is no reason to give up the others.
      relax_column_count: true,
      max_record_size: MAX_ROW_BYTES,
    }),
    () => {},
  )
  let last = 0
  try {
    for await (const { record, info } of rows as AsyncIterable<{
      record: string[]
      info: { lines: number }
    }>) {
      last = info.lines
      yield { record, line: last - record.join('').split('\n').length + 1 }
    }
  } catch (error) {
    throw explain(path, last + 1, error)
  }
}

/** The text of the file with \n at the end of each line, without a byte order mark. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let kept = ''
  for await (const chunk of createReadStream(path)) {
    const text = kept + decoder.decode(chunk as Buffer, { stream: true })
    kept = text.endsWith('\r') ? '\r' : ''
    yield text.slice(0, text.length - kept.length).replaceAll('\r\n', '\n')
  }
  yield kept + decoder.decode()
}

function toHeader(path: string, record: string[]): Column[] {
  const names = record.map(name => name.trim().toLowerCase())
  const known: readonly string[] = columns
  const unknown = names.filter(name => !known.includes(name))
  const faults = [
    unknown.length > 0 && `it has the columns ${unknown.map(quote).join(', ')}`,
    !names.includes('id') && 'it has no column id',
    new Set(names).size < names.length && 'a column stands there twice',
  ].filter(fault => fault !== false)
  if (faults.length > 0)
    throw new ImportError(`${path}: ${faults.join(', and ')}. The columns are ${columns.join(', ')}`)
  return names as Column[]
}

/** Where there is no header line these are somebody's data. */
const quote = (name: string) => JSON.stringify(maskPhones(name.slice(0, 40)))

/** The parser's own words quote the file. `next` is the line after the last good row. */
function explain(path: string, next: number, error: unknown): unknown {
  if (error instanceof CsvError) {
    const { code, lines } = error as CsvError & { lines: number }
    const isEndless = code === 'CSV_MAX_RECORD_SIZE' || code === 'CSV_QUOTE_NOT_CLOSED'
    return new ImportError(
      isEndless
        ? `${path}, line ${next}: a quote is not closed, or a row is longer than ${MAX_ROW_BYTES} bytes`
        : `${path}, line ${lines}: a quote stands where none can: within quotes it is written twice`,
    )
  }
  const { code, syscall } = error as NodeJS.ErrnoException
  if (syscall !== undefined) return new ImportError(`${path} cannot be read: ${code}`)
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
    return new ImportError(`${path} is not UTF-8: spreadsheets call it "CSV UTF-8"`)
  return error
}
