// Hop before: src/playground/routes.ts. Hop after: the tables, as their owner reads them.
import pg from 'pg'
import type { Logger } from '../log.ts'
import type { Stored } from './protocol.ts'

/** Who was merged has become another: his rows are that one's. */
const STORED = `
  with me as (select coalesce(merged_into, id) as id from auth.users where id = $1)
  select
    (select row_to_json(u) from auth.users as u, me where u.id = me.id) as "user",
    (select coalesce(jsonb_agg(to_jsonb(i) order by i.created_at), '[]') from auth.identities as i, me
     where i.user_id = me.id) as identities,
    (select coalesce(jsonb_agg(to_jsonb(s) order by s.created_at desc), '[]') from auth.sessions as s, me
     where s.user_id = me.id) as sessions,
    (select coalesce(jsonb_agg(to_jsonb(a)), '[]')
     from (select a.* from auth.audit_log_entries as a, me where a.user_id = me.id order by a.id desc limit 8) as a) as audit,
    (select coalesce(jsonb_agg(to_jsonb(e)), '[]')
     from (select e.* from auth_private.events as e, me where e.user_id = me.id order by e.id desc limit 8) as e) as events`

export interface Tables {
  storedOf(userId: string): Promise<Stored>
  close(): Promise<void>
}

/** Reads as the owner: nobody else may see a whole row. */
export function openTables(ownerUrl: string, log: Logger): Tables {
  const pool = new pg.Pool({
    connectionString: ownerUrl,
    max: 2,
    application_name: 'postgraphile-wechat playground',
  })
  pool.on('error', error => log.debug({ err: error }, 'an idle connection of the playground was lost'))
  return {
    storedOf: async userId => (await pool.query<Stored>(STORED, [userId])).rows[0]!,
    close: () => pool.end(),
  }
}
