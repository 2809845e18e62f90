import type { TestDatabase } from '../support/database.ts'
import { APP, OTHER_APP } from './fixture.ts'

// A hundred thousand users of MemFire, of all kinds; who is of which kind stands in the last two digits of his id.

export const MANY = 100_000

/** By the last two digits: what is expected of these users, each of whom is one in a hundred. */
const kinds = {
  deleted: [90, 91],
  sso: [92],
  anonymous: [93],
  /** One phone in two forms, one openid twice; no phone, no app. */
  conflicts: [94, 95, 96, 97, 98, 99],
}
const inKinds = (list: number[]) => `n % 100 in (${list})`
export const expected = {
  leftOut: { deleted: 2 * (MANY / 100), sso: MANY / 100, anonymous: MANY / 100 },
  conflicts: 6 * (MANY / 100),
  imported: 90 * (MANY / 100),
}

const ID = `('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid`

/**
 * 0 to 59 are known by columns of theirs, 60 to 79 by an identity of another app, 80 to 89 have an e-mail address only.
 */
export const fillSource = (db: TestDatabase) =>
  db.owner.query(`
    insert into auth.users (id, email, phone, phone_confirmed_at, wechat_id, wechat_unionid, raw_app_meta_data, raw_user_meta_data,
                            created_at, updated_at, last_sign_in_at, banned_until, deleted_at, is_sso_user)
    select ${ID},
      case when k between 80 and 89 or k >= 94 then n || '@example.com' end,
      case when k < 40 then (13800000000 + n)::text
           when k < 50 then '8613700' || lpad(n::text, 6, '0')
           when k < 60 then '+85260' || lpad(n::text, 6, '0')
           when k = 94 then (13900000000 + n)::text
           when k = 95 then '86' || (13900000000 + n - 1)
           when k = 98 then '12345' || n end,
      case when k < 60 or k >= 94 then timestamptz '2024-01-01Z' + n * interval '1 second' end,
      case when k < 60 then 'o-' || n when k in (96, 97) then 'o-twice-' || n / 2 end,
      case when k < 30 then 'u-' || n end,
      case when k < 60 then '{"provider": "wechat_mini", "providers": ["wechat_mini"]}'::jsonb end,
      jsonb_build_object('number', n),
      timestamptz '2023-01-01Z' + n * interval '1 second', timestamptz '2024-01-02Z', timestamptz '2024-01-02Z',
      case when k = 0 then timestamptz '2099-01-01Z' end,
      case when ${inKinds(kinds.deleted)} then now() end,
      ${inKinds(kinds.sso)}
    from (select n, n % 100 as k from generate_series(0, ${MANY - 1}) as n) s;

    insert into auth.identities (user_id, provider, provider_id, identity_data, created_at, updated_at)
    select ${ID}, 'wechat_mini', 'o-' || n,
      case when k = 99 then '{"appid": "of another form"}' else jsonb_build_object('appid', '${OTHER_APP}', 'unionid', 'u-' || n) end,
      timestamptz '2023-01-01Z', timestamptz '2023-01-01Z'
    from (select n, n % 100 as k from generate_series(0, ${MANY - 1}) as n) s where k between 60 and 79 or k = 99;
    insert into auth.identities (user_id, provider, provider_id, identity_data)
    select ${ID}, 'email', ${ID}, jsonb_build_object('email', n || '@example.com')
    from (select n, n % 100 as k from generate_series(0, ${MANY - 1}) as n) s where k between 80 and 89;
    analyze auth.users; analyze auth.identities`)

/** What must hold at any moment: nobody without his openid, nor without the entry that says where he is from. */
export const halfImported = (db: TestDatabase) =>
  db.row<{ users: number; others: number }>(`
    with s as (
      select u.id, right(u.id::text, 12)::integer % 100 as k,
        exists (select from auth.identities i where i.user_id = u.id) as has_identity,
        (select count(*) from auth.audit_log_entries a where a.user_id = u.id and a.action = 'user_imported') as entries
      from auth.users u
    )
    select count(*)::integer as users, count(*) filter (where entries <> 1 or has_identity <> (k < 80))::integer as others
    from s`)

/** The users here who are not as they are there; reads both, so it is a table of the source brought here. */
export async function differences(db: TestDatabase): Promise<unknown[]> {
  return db.rows(`
    with there as (
      select ${ID} as id, n, n % 100 as k from generate_series(0, ${MANY - 1}) as n where n % 100 < 90
    )
    select t.id as there, u.id as here
    from there t full join auth.users u on u.id = t.id left join auth.identities i on i.user_id = u.id
    where not coalesce(
      (u.phone is not distinct from case
         when k < 40 then '+86' || (13800000000 + n) when k < 50 then '+8613700' || lpad(n::text, 6, '0')
         when k < 60 then '+85260' || lpad(n::text, 6, '0') end)
      and (u.phone_confirmed_at is not distinct from case when k < 60 then timestamptz '2024-01-01Z' + n * interval '1 second' end)
      and i.provider_id is not distinct from case when k < 80 then 'o-' || n end
      and i.appid is not distinct from case when k < 60 then '${APP}' when k < 80 then '${OTHER_APP}' end
      and u.wechat_id is not distinct from i.provider_id
      and u.wechat_unionid is not distinct from case when k < 30 or k between 60 and 79 then 'u-' || n end
      and u.user_metadata = jsonb_build_object('number', n)
      and u.app_metadata = case when k < 80 then '{"provider": "wechat_mini", "providers": ["wechat_mini"]}'::jsonb else '{}' end
      and u.created_at = timestamptz '2023-01-01Z' + n * interval '1 second'
      and u.banned_until is not distinct from case when k = 0 then timestamptz '2099-01-01Z' end, false)
    limit 5`)
}
