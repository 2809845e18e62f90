import { readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'

// Runs the files of migrations/ that have not run yet, each in a transaction of its own.
const directory = new URL('migrations/', import.meta.url)
const client = new pg.Client({ connectionString: process.env.DATABASE_OWNER_URL })
await client.connect()
await client.query('create schema if not exists shop')
await client.query('create table if not exists shop.migrations (name text primary key)')
const { rows } = await client.query<{ name: string }>('select name from shop.migrations')

const done = new Set(rows.map(({ name }) => name))
const files = readdirSync(directory).sort()
for (const name of files.filter(name => !done.has(name))) {
  await client.query('begin')
  await client.query(readFileSync(new URL(name, directory), 'utf8'))
  await client.query('insert into shop.migrations values ($1)', [name])
  await client.query('commit')
  process.stdout.write(`${name}\n`)
}
await client.end()
