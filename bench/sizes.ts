import type { SiteDatabase } from './site.ts'

export interface TableSize {
  table: string
  rows: number
  tableMiB: number
  /** All of them. */
  indexesMiB: number
}

/** Of the tables that are larger than 1 MiB, the largest first. */
export async function sizesOf({
  query,
}: SiteDatabase): Promise<{ databaseMiB: number; tables: TableSize[] }> {
  const tables = await query<TableSize>(
    `select c.oid::regclass::text as table, c.reltuples::float8 as rows,
       round(pg_table_size(c.oid) / 1048576.0)::float8 as "tableMiB",
       round(pg_indexes_size(c.oid) / 1048576.0)::float8 as "indexesMiB"
     from pg_class c
     where c.relkind = 'r' and c.relnamespace in ('auth'::regnamespace, 'auth_private'::regnamespace)
       and pg_total_relation_size(c.oid) >= 1048576
     order by pg_total_relation_size(c.oid) desc`,
  )
  const [database] = await query<{ mib: number }>(
    'select round(pg_database_size(current_database()) / 1048576.0)::float8 as mib',
  )
  return { databaseMiB: database!.mib, tables }
}
