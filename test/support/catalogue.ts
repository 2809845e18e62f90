import type pg from 'pg'

const OURS = `n.nspname in ('auth', 'auth_private')`

/** Privileges; where nobody has granted or revoked, those that an object of this kind has by itself: the same, unsaid. */
const acl = (column: string, kind?: string, owner?: string) => {
  const items = kind ? `coalesce(${column}, acldefault(${kind}, ${owner}))` : column
  return `coalesce((select string_agg(a::text, ' ' order by a::text) from unnest(${items}) a), 'none')`
}

/** Each answers (object, description). Columns have no number: a migration can only append one. */
const DESCRIPTIONS = [
  `select 'schema ' || n.nspname, concat_ws(' | ', pg_get_userbyid(n.nspowner), ${acl('n.nspacl', `'n'`, 'n.nspowner')},
     obj_description(n.oid, 'pg_namespace'))
   from pg_namespace n where ${OURS}`,

  `select 'relation ' || c.oid::regclass, concat_ws(' | ', c.relkind, pg_get_userbyid(c.relowner), ${acl('c.relacl', `case c.relkind when 'S' then 's'::"char" else 'r' end`, 'c.relowner')},
     'persistence ' || c.relpersistence::text, 'replica identity ' || c.relreplident::text, 'rls ' || c.relrowsecurity, 'forced ' || c.relforcerowsecurity, c.reloptions::text,
     case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end, obj_description(c.oid, 'pg_class'))
   from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${OURS} and c.relkind not in ('i', 'I')`,

  `select 'column ' || c.oid::regclass || '.' || a.attname, concat_ws(' | ', format_type(a.atttypid, a.atttypmod),
     'not null ' || a.attnotnull, 'storage ' || a.attstorage::text || a.attcompression::text, 'identity ' || a.attidentity::text, 'generated ' || a.attgenerated::text, a.attcollation::regcollation,
     pg_get_expr(d.adbin, d.adrelid), ${acl('a.attacl')}, col_description(c.oid, a.attnum))
   from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
     left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
   where ${OURS} and c.relkind not in ('i', 'I', 'S') and a.attnum > 0 and not a.attisdropped`,

  `select 'sequence ' || q.seqrelid::regclass, concat_ws(' | ', q.seqtypid::regtype, q.seqstart, q.seqincrement, q.seqmin, q.seqmax,
     q.seqcache, q.seqcycle, d.refobjid::regclass || '.' || a.attname)
   from pg_sequence q join pg_class c on c.oid = q.seqrelid join pg_namespace n on n.oid = c.relnamespace
     left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
     left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
   where ${OURS}`,

  `select 'constraint ' || c.conname || ' of ' || coalesce(nullif(c.conrelid, 0)::regclass::text, c.contypid::regtype::text),
     concat_ws(' | ', pg_get_constraintdef(c.oid), 'validated ' || c.convalidated, obj_description(c.oid, 'pg_constraint'))
   from pg_constraint c join pg_namespace n on n.oid = c.connamespace where ${OURS}`,

  `select 'index ' || i.indexrelid::regclass, concat_ws(' | ', pg_get_indexdef(i.indexrelid), 'valid ' || i.indisvalid,
     obj_description(i.indexrelid, 'pg_class'))
   from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace where ${OURS}`,

  `select 'function ' || p.oid::regprocedure, concat_ws(' | ', pg_get_userbyid(p.proowner), ${acl('p.proacl', `'f'`, 'p.proowner')},
     pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'))
   from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${OURS} and p.prokind in ('f', 'p', 'w')`,

  `select 'policy ' || p.polname || ' of ' || p.polrelid::regclass, concat_ws(' | ', p.polcmd, 'permissive ' || p.polpermissive,
     (select string_agg(case r when 0 then 'public' else pg_get_userbyid(r) end, ' ' order by pg_get_userbyid(r))
      from unnest(p.polroles) r),
     'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid),
     obj_description(p.oid, 'pg_policy'))
   from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace where ${OURS}`,

  `select 'trigger ' || t.tgname || ' of ' || t.tgrelid::regclass, concat_ws(' | ', pg_get_triggerdef(t.oid),
     'enabled ' || t.tgenabled::text, obj_description(t.oid, 'pg_trigger'))
   from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
   where ${OURS} and not t.tgisinternal`,

  `select 'type ' || t.oid::regtype, concat_ws(' | ', t.typtype, pg_get_userbyid(t.typowner), ${acl('t.typacl', `'T'`, 't.typowner')},
     format_type(nullif(t.typbasetype, 0), t.typtypmod), t.typdefault,
     (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid), 'not null ' || t.typnotnull,
     obj_description(t.oid, 'pg_type'))
   from pg_type t join pg_namespace n on n.oid = t.typnamespace where ${OURS} and t.typtype in ('d', 'e', 'r', 'm')
     or ${OURS} and exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c')`,

  `select 'default privileges ' || d.defaclobjtype::text || ' in ' || coalesce(n.nspname, 'all'),
     concat_ws(' | ', pg_get_userbyid(d.defaclrole), ${acl('d.defaclacl')})
   from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace`,
]

/** Everything that the catalogue knows of the schemas `auth` and `auth_private`, a line an object, in order. */
export async function catalogue(database: pg.Pool | pg.ClientBase): Promise<string[]> {
  const { rows } = await database.query<{ line: string }>(
    `select object || ': ' || description as line
     from (${DESCRIPTIONS.join('\nunion all\n')}) as described (object, description)`,
  )
  return rows.map(({ line }) => line).sort()
}
