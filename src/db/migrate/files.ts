import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

/** The schema that belongs to this code. */
export const SQL_DIR = new URL('../../../sql/', import.meta.url)

export interface Migration {
  version: number
  name: string
  text: string
  sha256: string
}

/** The frozen files, in order. */
export const readMigrations = (sqlDir = SQL_DIR): Migration[] =>
  readdirSync(new URL('migrations/', sqlDir))
    .filter(name => /^\d{4}_.*\.sql$/.test(name))
    .sort()
    .map(name => {
      const text = readFileSync(new URL(`migrations/${name}`, sqlDir), 'utf8')
      return {
        version: Number(name.slice(0, 4)),
        name,
        text,
        sha256: createHash('sha256').update(text).digest('hex'),
      }
    })

export const newest = (migrations: Migration[]) => Math.max(0, ...migrations.map(({ version }) => version))

/** The version of the schema that this code needs: that of the newest migration. */
export const codeVersion = () => newest(readMigrations())

/** The readable files of `sql/schema.sql`, in its order. */
export const schemaFiles = (sqlDir = SQL_DIR): { name: string; text: string }[] =>
  readFileSync(new URL('schema.sql', sqlDir), 'utf8')
    .split('\n')
    .flatMap(line => /^\\ir (\S+)$/.exec(line)?.[1] ?? [])
    .map(name => ({ name, text: readFileSync(new URL(name, sqlDir), 'utf8') }))
