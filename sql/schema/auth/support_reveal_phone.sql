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

-- auth_revealer: the phone of anybody, and that somebody has seen it.
grant select (id, phone) on auth.users to auth_revealer;
create policy users_revealer_select on auth.users for select to auth_revealer using (true);
create policy audit_log_entries_revealer_insert on auth.audit_log_entries for insert to auth_revealer
  with check (action = 'phone_revealed' and (actor like 'admin:%' or actor like 'support:%'));

comment on function auth.support_reveal_phone(uuid, text) is
  'The phone of a user, living or not, in full, with the reason and an audit entry; null: he has none, and nothing is written. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';
