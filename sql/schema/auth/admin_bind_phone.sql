create function auth.admin_bind_phone(user_id uuid, phone text, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.require_phone(admin_bind_phone.phone);
  return auth_private.admin_give_phone(
    auth_private.admin_lock_user(admin_bind_phone.user_id, admin_bind_phone.reason),
    admin_bind_phone.phone, admin_bind_phone.reason, 'admin_bind');
end
$$;

revoke all on function auth.admin_bind_phone(uuid, text, text) from public;
grant execute on function auth.admin_bind_phone(uuid, text, text) to service_role;
alter function auth.admin_bind_phone(uuid, text, text) owner to auth_steward;

comment on function auth.admin_bind_phone(uuid, text, text) is
  'Gives a living user a phone (E.164 with plus) by an administrator''s word, with the reason, an audit entry and the event phone.bound; the same phone again only renews its time. Raises validation_failed (WX001: not a phone, no reason), user_not_found (WX005), phone_exists (WX006).';
