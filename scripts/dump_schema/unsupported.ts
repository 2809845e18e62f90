import type pg from 'pg'
import { SCHEMAS } from './schemas.ts'

/** Kinds of objects that nobody has needed yet: better no dump than one that lacks something. */
const UNSUPPORTED = `
  with ours as (select oid from pg_namespace where nspname = any ($1)),
  relation as (select * from pg_class where relnamespace in (select oid from ours))
  select what from (
    select 'relation ' || oid::regclass || ' of kind ' || relkind::text from relation where relkind not in ('r', 'v', 'c', 'S', 'i')
    union all
    select 'replica identity of ' || oid::regclass from relation where relkind = 'r' and relreplident <> 'd'
    union all
    select 'tablespace of ' || oid::regclass from relation where reltablespace <> 0
    union all
    select 'inheritance of ' || inhrelid::regclass from pg_inherits where inhrelid in (select oid from relation)
    union all
    select 'owned sequence ' || d.objid::regclass || ' (use identity)' from pg_depend d join relation r on r.oid = d.objid
    where d.classid = 'pg_class'::regclass and r.relkind = 'S' and d.deptype = 'a'
    union all
    select 'statistics target of ' || attrelid::regclass || '.' || attname from pg_attribute
    where attrelid in (select oid from relation) and attnum > 0 and (attstattarget > -1 or attoptions is not null)
    union all
    select 'rule ' || rulename || ' on ' || ev_class::regclass from pg_rewrite
    where ev_class in (select oid from relation) and rulename <> '_RETURN'
    union all
    select 'aggregate ' || oid::regprocedure from pg_proc where pronamespace in (select oid from ours) and prokind = 'a'
    union all
    select 'type ' || oid::regtype from pg_type
    where typnamespace in (select oid from ours) and typtype not in ('c', 'e', 'd') and typcategory <> 'A'
    union all
    select 'statistics ' || stxname from pg_statistic_ext where stxnamespace in (select oid from ours)
    union all
    select 'operator ' || oid::regoperator from pg_operator where oprnamespace in (select oid from ours)
    union all
    select 'default privileges of ' || pg_get_userbyid(defaclrole) from pg_default_acl
    where defaclnamespace in (select oid from ours) or defaclnamespace = 0
    union all
    select 'a grant on ' || name || ' that is not its owner''s' from (
      select oid::regclass::text as name, relowner as owner, relacl as acl from relation
      union all
      select attrelid::regclass || '.' || attname, relowner, attacl from pg_attribute join relation r on r.oid = attrelid
      union all
      select oid::regprocedure::text, proowner, proacl from pg_proc where pronamespace in (select oid from ours)
    ) o, aclexplode(acl) a where a.grantor <> o.owner
  ) found (what) order by what`

export async function refuseUnsupported(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ what: string }>(UNSUPPORTED, [SCHEMAS])
  if (rows.length === 0) return
  const list = rows.map(({ what }) => `- ${what}`).join('\n')
  throw new Error(`generated/schema.sql cannot show this yet; teach scripts/dump_schema/ to:\n${list}`)
}
