import type pg from 'pg'
import type { Thing } from './schemas.ts'

/** What the things of our schemas consist of, and which needs which. Foreign keys, triggers and policies come later. */
const NEEDS = `
  with part (classid, objid, id) as (
    select 'pg_class'::regclass, c.oid, case c.relkind when 'c' then 't' || c.reltype else 'c' || c.oid end from pg_class c
    union all
    select 'pg_type'::regclass, t.oid, case
        when e.typrelid <> 0 and r.relkind <> 'c' then 'c' || e.typrelid else 't' || e.oid end
    from pg_type t
      -- An array is part of the type of its elements.
      join pg_type e on e.oid = case when t.typcategory = 'A' then t.typelem else t.oid end
      left join pg_class r on r.oid = e.typrelid
    union all
    select 'pg_attrdef'::regclass, d.oid, 'c' || d.adrelid from pg_attrdef d
    union all
    select 'pg_constraint'::regclass, k.oid, case k.conrelid when 0 then 't' || k.contypid else 'c' || k.conrelid end
    from pg_constraint k where k.contype <> 'f'
    union all
    select 'pg_rewrite'::regclass, r.oid, 'c' || r.ev_class from pg_rewrite r
    union all
    select 'pg_proc'::regclass, p.oid, 'f' || p.oid from pg_proc p
  )
  select distinct who.id, whom.id as needs
  from pg_depend d
    join part who on who.classid = d.classid and who.objid = d.objid
    join part whom on whom.classid = d.refclassid and whom.objid = d.refobjid
  where who.id <> whom.id and who.id = any ($1) and whom.id = any ($1)`

/** The things in their order, but each after those that it needs. */
export async function inOrder(client: pg.ClientBase, things: Thing[]): Promise<Thing[]> {
  const { rows } = await client.query<{ id: string; needs: string }>(NEEDS, [things.map(({ id }) => id)])
  const needs = Map.groupBy(rows, ({ id }) => id)
  const position = new Map(things.map(({ id }, index) => [id, index]))
  const done = new Set<Thing>()
  // Whatever needs itself, by way of others, cannot be helped here.
  const visiting = new Set<Thing>()
  const visit = (thing: Thing) => {
    if (done.has(thing)) return
    const before = (needs.get(thing.id) ?? []).map(row => position.get(row.needs)!).sort((a, b) => a - b)
    visiting.add(thing)
    for (const index of before) if (!visiting.has(things[index]!)) visit(things[index]!)
    done.add(thing)
  }
  for (const thing of things) visit(thing)
  return [...done]
}
