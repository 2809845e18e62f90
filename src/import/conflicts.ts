import type pg from 'pg'

// Each question is put to all users at once: `s` is the user of the source whose state is $1, `i` an identity of his.

const SHORT_OPENID = `i.appid || ' ' || left(i.openid, 6) || '…'`
const SHORT_UNIONID = `left(s.wechat_unionid, 6) || '…'`
const MASKED_PHONE = 'auth_private.mask_phone(s.phone)'

/** What stands in the way of users who are not here yet: in the source itself, and here. */
const FIND = `
  with s as materialized (select * from pg_temp.import_users where state = $1),
  i as materialized (select s.id, i.* from pg_temp.import_identities i join s on s.n = i.n)
  insert into pg_temp.import_conflicts (n, line, id, kind, value)
  select n, line, id, 'id_twice', null from s
  where exists (select from pg_temp.import_users o where o.id = s.id and o.n <> s.n)
  union all
  select n, line, id, 'id_taken', null from s
  where exists (select from auth.users u where u.id = s.id)
  union all
  select n, line, id, 'phone_twice', ${MASKED_PHONE} from s
  where exists (select from pg_temp.import_users o where o.phone = s.phone and o.id is distinct from s.id)
  union all
  select n, line, id, 'phone_taken', ${MASKED_PHONE} from s
  where exists (select from auth.users u where u.phone = s.phone and u.id <> s.id
                and u.deleted_at is null and u.merged_into is null)
  union all
  select n, line, id, 'unionid_twice', ${SHORT_UNIONID} from s
  where exists (select from pg_temp.import_users o
                where o.wechat_unionid = s.wechat_unionid and o.id is distinct from s.id)
  union all
  select n, line, id, 'unionid_taken', ${SHORT_UNIONID} from s
  where exists (select from auth.users u where u.wechat_unionid = s.wechat_unionid and u.id <> s.id
                and u.deleted_at is null and u.merged_into is null)
  union all
  select i.n, s.line, s.id, 'openid_twice', ${SHORT_OPENID} from i join s on s.n = i.n
  where exists (select from pg_temp.import_identities o join pg_temp.import_users ou on ou.n = o.n
                where o.openid = i.openid and o.appid = i.appid and ou.id is distinct from i.id)
  union all
  select i.n, s.line, s.id, 'openid_taken', ${SHORT_OPENID} from i join s on s.n = i.n
  where exists (select from auth.identities h where h.provider = 'wechat_mini' and h.appid = i.appid
                and h.provider_id = i.openid and h.user_id <> i.id)`

/** Whose import is in the audit log, with what has become of him here: he is not imported again, and nothing stands in his way. */
const MARK_HERE = `
  update pg_temp.import_users s set state = 'here'
  where exists (select from auth.audit_log_entries a where a.user_id = s.id and a.action = 'user_imported')`
const FORGET_CONFLICTS = `
  delete from pg_temp.import_conflicts c
  where (select s.state from pg_temp.import_users s where s.n = c.n) = 'here'`

/** But the source may have gone on since: what it has got and we have not is for a person to look at. */
const FIND_CHANGED = `
  insert into pg_temp.import_conflicts (n, line, id, kind, value)
  select s.n, s.line, s.id, 'changed_since_import', null
  from pg_temp.import_users s join auth.users u on u.id = s.id
  where s.state = 'here' and u.deleted_at is null and u.merged_into is null
    and s.updated_at > (select max(a.created_at) from auth.audit_log_entries a
                        where a.user_id = s.id and a.action = 'user_imported')
    and (s.phone <> coalesce(u.phone, '') and s.updated_at > coalesce(u.phone_confirmed_at, '-infinity')
      or s.wechat_unionid <> coalesce(u.wechat_unionid, '')
      or exists (select from pg_temp.import_identities i where i.n = s.n and not exists (
           select from auth.identities h where h.user_id = s.id and h.provider = 'wechat_mini'
             and h.appid = i.appid and h.provider_id = i.openid)))`

const MARK_CONFLICTS = `
  update pg_temp.import_users s set state = 'conflict'
  where exists (select from pg_temp.import_conflicts c where c.n = s.n)`

/** Of whom nothing is found in the way any more: it was there a moment ago, and is gone. */
const EXPLAIN_REST = `
  insert into pg_temp.import_conflicts (n, line, id, kind)
  select s.n, s.line, s.id, 'overtaken' from pg_temp.import_users s
  where s.state = 'overtaken' and not exists (select from pg_temp.import_conflicts c where c.n = s.n)`

/** Finds who was imported before. Every row of them is written anew, so: before the indexes. */
export async function markHere(client: pg.Client): Promise<void> {
  await client.query(MARK_HERE)
  await client.query(FORGET_CONFLICTS)
}

/** Finds everything that stands in the way, before anything is written. */
export async function findConflicts(client: pg.Client): Promise<void> {
  await client.query(FIND, ['new'])
  await client.query(FIND_CHANGED)
  await client.query(MARK_CONFLICTS)
}

/** Says what came in the way of those whom somebody else's write overtook. */
export async function explainOvertaken(client: pg.Client): Promise<void> {
  await client.query(FIND, ['overtaken'])
  await client.query(EXPLAIN_REST)
  await client.query(MARK_CONFLICTS)
}
