create function auth.admin_reassign_phone(user_id uuid, phone text, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner_id uuid;
  v_owner auth.users;
  v_user auth.users;
begin
  perform auth_private.require_phone(admin_reassign_phone.phone);
  select u.id into v_owner_id from auth.users u
  where u.phone = admin_reassign_phone.phone and u.deleted_at is null and u.merged_into is null
    and u.id <> admin_reassign_phone.user_id;
  -- Both, in the order of their ids, as merges lock them.
  if v_owner_id < admin_reassign_phone.user_id then
    perform from auth.users u where u.id = v_owner_id for no key update;
  end if;
  v_user := auth_private.admin_lock_user(admin_reassign_phone.user_id, admin_reassign_phone.reason);
  select * into v_owner from auth.users u where u.id = v_owner_id for no key update;

  if v_owner.phone = admin_reassign_phone.phone then
    perform auth_private.admin_take_phone(v_owner, admin_reassign_phone.reason, 'reassign');
  end if;
  return auth_private.admin_give_phone(v_user, admin_reassign_phone.phone, admin_reassign_phone.reason, 'reassign');
end
$$;

revoke all on function auth.admin_reassign_phone(uuid, text, text) from public;
grant execute on function auth.admin_reassign_phone(uuid, text, text) to service_role;
alter function auth.admin_reassign_phone(uuid, text, text) owner to auth_steward;

comment on function auth.admin_reassign_phone(uuid, text, text) is
  'Gives a living user a phone (E.164 with plus) and takes it from whoever has it, in one step: for a number that the carrier has given to somebody else. Both get an audit entry with the reason, and phone.unbound and phone.bound tell of it. Raises validation_failed (WX001: not a phone, no reason), user_not_found (WX005), and phone_exists (WX006) where a third user got the phone at this very moment.';
