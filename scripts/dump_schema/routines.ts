import type pg from 'pg'
import { commentSql, SCHEMAS, type Thing } from './schemas.ts'

const ROUTINES = `
  select 'f' || p.oid as id, k.word || ' ' || p.oid::regprocedure as target, pg_get_userbyid(p.proowner) as owner,
    array_remove(array[
      rtrim(pg_get_functiondef(p.oid), E'\\n') || ';',
      ${commentSql(`k.word || ' ' || p.oid::regprocedure`, 'p.oid', 'pg_proc')}
    ], null) as statements
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace and n.nspname = any ($1),
    lateral (select case p.prokind when 'p' then 'procedure' else 'function' end as word) k
  where p.prokind in ('f', 'p', 'w')
  order by n.nspname, p.oid::regprocedure::text`

const TYPES = `
  select 't' || t.oid as id, k.word || ' ' || t.oid::regtype as target, pg_get_userbyid(t.typowner) as owner,
    array_remove(array[
      case t.typtype
        when 'e' then format('create type %s as enum (%s);', t.oid::regtype,
          (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid))
        else concat_ws(' ', 'create domain', t.oid::regtype, 'as', format_type(t.typbasetype, t.typtypmod),
          'default ' || t.typdefault, case when t.typnotnull then 'not null' end,
          (select string_agg('constraint ' || quote_ident(c.conname) || ' ' || pg_get_constraintdef(c.oid), ' ' order by c.conname)
           from pg_constraint c where c.contypid = t.oid and c.contype = 'c')) || ';'
      end,
      ${commentSql(`k.word || ' ' || t.oid::regtype`, 't.oid', 'pg_type')}
    ] || array(
      select ${commentSql(`'constraint ' || quote_ident(c.conname) || ' on domain ' || t.oid::regtype`, 'c.oid', 'pg_constraint')}
      from pg_constraint c where c.contypid = t.oid order by c.conname
    ), null) as statements
  from pg_type t join pg_namespace n on n.oid = t.typnamespace and n.nspname = any ($1),
    lateral (select case t.typtype when 'd' then 'domain' else 'type' end as word) k
  where t.typtype in ('e', 'd')
  order by n.nspname, t.typname`

export const readRoutines = async (client: pg.ClientBase) =>
  (await client.query<Thing>(ROUTINES, [SCHEMAS])).rows
export const readTypes = async (client: pg.ClientBase) => (await client.query<Thing>(TYPES, [SCHEMAS])).rows
