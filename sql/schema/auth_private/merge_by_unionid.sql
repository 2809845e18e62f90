-- Called by auth_private.wechat_sign_in when WeChat tells with an openid the unionid of another account: one person, two accounts.
-- Which two is read off WeChat's word (auth_private.signing_identity), and not said by the caller.
create function auth_private.accounts_of_unionid(out merged uuid, out survivor uuid)
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
  with one as (
    select u.* from auth.identities i join auth.users u on u.id = i.user_id
    where i.provider = 'wechat_mini' and i.appid = auth_private.signing_identity() ->> 'appid'
      and i.provider_id = auth_private.signing_identity() ->> 'openid' and u.deleted_at is null
  ), other as (
    select u.* from auth.users u
    where u.wechat_unionid = auth_private.signing_identity() ->> 'unionid' and u.deleted_at is null and u.merged_into is null
  ), pair as (
    select one.id as one, other.id as other,
      -- Who has a phone stays, else who was here first.
      (one.phone is null, one.created_at, one.id) < (other.phone is null, other.created_at, other.id) as one_stays
    from one, other
    where one.id <> other.id and coalesce(greatest(one.banned_until, other.banned_until) <= now(), true)
      -- Of two phones, which is it? Only he can tell.
      and (one.phone = other.phone) is not false
  )
  select case when one_stays then other else one end, case when one_stays then one else other end from pair;
end;

revoke all on function auth_private.accounts_of_unionid() from public;
grant execute on function auth_private.accounts_of_unionid() to auth_merger;

comment on function auth_private.accounts_of_unionid() is
  'The account of the openid that signs in, and another one that has its unionid: which of them is to be merged into which. Nulls: there is no other, one of them is banned, or they have different phones.';

create function auth_private.merge_by_unionid() returns boolean
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
-- Whoever is in use for longer is joined at the next sign-in.
set lock_timeout = '2s'
as $$
declare
  v_seen record;
  v_locked record;
begin
  select * into v_seen from auth_private.accounts_of_unionid();
  if v_seen.merged is null then
    return false;
  end if;
  perform auth_private.lock_merging_users(v_seen.merged, v_seen.survivor);
  select * into v_locked from auth_private.accounts_of_unionid();
  if v_locked is distinct from v_seen then
    return false;
  end if;
  perform auth_private.merge_users(v_seen.merged, v_seen.survivor, 'user', null, 'unionid');
  return true;
exception when others then
  -- Whatever the application forbids must not keep anybody from signing in.
  if sqlstate ~ '^40' then raise; end if;
  raise log 'Two accounts of one person were not merged: %', sqlstate;
  return false;
end
$$;

revoke all on function auth_private.merge_by_unionid() from public;
grant execute on function auth_private.merge_by_unionid() to auth_signer;
alter function auth_private.merge_by_unionid() owner to auth_merger;

comment on function auth_private.merge_by_unionid() is
  'Makes one account of two that WeChat says are one person''s: that of the openid that signs in, and that of its unionid. Answers whether it did; not where one of them is banned, where they have different phones, where both have an openid in one app, or where the application forbids it in any way.';
