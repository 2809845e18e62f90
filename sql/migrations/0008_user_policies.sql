create policy users_signer_lock on auth.users for update to auth_signer
  using (wechat_unionid = (select auth_private.signing_identity() ->> 'unionid')) with check (false);
create policy users_keeper_lock on auth.users for update to auth_keeper
  using (id = (select auth_private.session_user_id())) with check (false);
create policy users_holder_select on auth.users for select to auth_holder
  using (id = (select auth_private.session_user_id()));
create policy users_holder_update on auth.users for update to auth_holder
  using (id = (select auth_private.session_user_id()));

comment on column auth.users.wechat_id is
  'The openid under which the user was first seen; once that is unlinked, another of his.';

-- Whoever deletes softly, and however: nothing personal stays, and phone and unionid are free for somebody else.
create function auth.users_forget_deleted() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.phone := null;
  new.phone_confirmed_at := null;
  new.phone_raw := null;
  new.wechat_id := null;
  new.wechat_unionid := null;
  new.app_metadata := '{}';
  new.user_metadata := '{}';
  return new;
end
$$;
revoke all on function auth.users_forget_deleted() from public;
comment on function auth.users_forget_deleted() is
  'Trigger function: empties what is personal when deleted_at is set. The openids are in auth.identities.';

create trigger users_forget_deleted before update of deleted_at on auth.users
  for each row when (new.deleted_at is not null)
  execute function auth.users_forget_deleted();
comment on trigger users_forget_deleted on auth.users is 'Makes a soft deletion forget the person.';
