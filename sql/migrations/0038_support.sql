-- What support staff see and may do.

grant create on schema auth to auth_revealer;

-- Why: whoever answers the telephone has to recognise an account, and needs no number, no openid and no metadata for that.
-- A view of the schema's owner: row-level security does not concern it, its columns are all that there is.
create view auth.users_masked with (security_barrier) as
select u.id,
  auth_private.mask_phone(u.phone) as phone,
  u.phone_confirmed_at,
  u.created_at,
  u.last_sign_in_at,
  u.banned_until,
  u.deleted_at,
  u.merged_into,
  array(select i.appid from auth.identities i where i.user_id = u.id order by i.created_at, i.id) as apps
from auth.users u;

-- What a view calls is called by whoever asks the view. By its name nobody of them reaches it: its schema is closed.
grant execute on function auth_private.mask_phone(text) to support;
grant select on auth.users_masked to support;

comment on view auth.users_masked is 'Users, living and gone, as support staff see them.';
comment on column auth.users_masked.id is 'The user''s id.';
comment on column auth.users_masked.phone is 'His phone, masked: +86138****8000. Null: none. auth.support_reveal_phone shows it.';
comment on column auth.users_masked.phone_confirmed_at is 'When the phone was last confirmed.';
comment on column auth.users_masked.created_at is 'When he was first seen.';
comment on column auth.users_masked.last_sign_in_at is 'When he last signed in.';
comment on column auth.users_masked.banned_until is 'Banned until then; null or past: not banned.';
comment on column auth.users_masked.deleted_at is 'When he was deleted; null: living.';
comment on column auth.users_masked.merged_into is 'Into whom he was merged; null: living.';
comment on column auth.users_masked.apps is 'The mini programs by which he is known, the oldest first.';

create function auth.support_reveal_phone(user_id uuid, reason text) returns text
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_phone text;
begin
  perform auth_private.require_reason(support_reveal_phone.reason);
  select u.phone into v_phone from auth.users u where u.id = support_reveal_phone.user_id;
  if not found then
    raise exception 'There is no such user' using errcode = 'WX005',
      hint = 'auth.users_masked shows users.';
  end if;
  if v_phone is not null then
    insert into auth.audit_log_entries (action, user_id, actor, details)
    values ('phone_revealed', support_reveal_phone.user_id,
      case when pg_has_role(session_user, 'service_role', 'member') then 'admin:' else 'support:' end || session_user,
      jsonb_build_object(
        'reason', auth_private.mask_phones_in(support_reveal_phone.reason), 'phone', auth_private.mask_phone(v_phone)));
  end if;
  return v_phone;
end
$$;

revoke all on function auth.support_reveal_phone(uuid, text) from public;
grant execute on function auth.support_reveal_phone(uuid, text) to support, service_role;
alter function auth.support_reveal_phone(uuid, text) owner to auth_revealer;

comment on function auth.support_reveal_phone(uuid, text) is
  'The phone of a user, living or not, in full, with the reason and an audit entry; null: he has none, and nothing is written. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';

revoke create on schema auth from auth_revealer;
