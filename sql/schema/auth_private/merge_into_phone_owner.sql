-- Called by auth_private.wechat_bind_phone, with the phone of which WeChat says that it is the session's user's. Which two are merged is
-- read off the session and the phone, and not said by the caller.
create function auth_private.merge_into_phone_owner(
  p_session_id uuid, p_appid text, p_phone text, out refusal text
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from uuid;
  v_owner auth.users;
begin
  perform set_config('request.phone', p_phone, true);
  v_from := auth_private.session_user_id();
  select * into v_owner from auth.users u where u.phone = p_phone and u.deleted_at is null and u.merged_into is null;
  if not found then
    return;
  end if;

  perform auth_private.lock_merging_users(v_from, v_owner.id, p_is_held => true);
  select * into v_owner from auth.users u where u.id = v_owner.id;
  if v_owner.phone is distinct from p_phone or v_owner.deleted_at is not null or v_owner.merged_into is not null then
    return;
  end if;
  if v_owner.banned_until > now() then
    refusal := 'owner_banned';
  elsif exists (
    select from auth.identities i
    where i.user_id = v_owner.id and i.provider = 'wechat_mini' and i.appid = p_appid
  ) then
    refusal := 'owner_has_identity';
  else
    begin
      perform auth_private.merge_users(v_from, v_owner.id, 'user', p_session_id, 'phone');
    exception when sqlstate 'WX001' or sqlstate 'WX007' then
      get stacked diagnostics refusal = table_name;
      refusal := coalesce('rows of ' || nullif(refusal, ''), 'owner_has_identity');
    end;
  end if;
end
$$;

revoke all on function auth_private.merge_into_phone_owner(uuid, text, text) from public;
grant execute on function auth_private.merge_into_phone_owner(uuid, text, text) to auth_binder;
alter function auth_private.merge_into_phone_owner(uuid, text, text) owner to auth_merger;

comment on function auth_private.merge_into_phone_owner(uuid, text, text) is
  'Merges the session''s user, whose row the transaction has locked, into the living owner of a phone, if that one is not banned and has no identity of this app. Answers null, or why not: owner_banned, owner_has_identity, or "rows of <table>" that cannot go. Null too where the phone has no owner any more. Raises lock_not_available (55P03): come again.';
