-- The duty auth_eraser: what its functions may reach, whatever is written in them.

-- auth_eraser: the person of the push in hand, with the accounts merged into his, and of him what can be taken away.
grant select (id, phone, wechat_id, wechat_unionid, deleted_at, merged_into),
  update (phone, phone_confirmed_at, phone_raw, wechat_id, wechat_unionid, updated_at, deleted_at) on auth.users to auth_eraser;
-- Tombstones name those into whom they were merged: which are this person's cannot be told here without asking this table.
create policy users_eraser_select on auth.users for select to auth_eraser
  using (id = (select auth_private.push_user_id()) or merged_into is not null);
-- Where the account goes on without one of its apps it keeps its phone; whoever takes back his phone has none afterwards.
create policy users_eraser_update on auth.users for update to auth_eraser
  using (id = any ((select auth_private.push_user_ids())::uuid[]))
  with check (
    id = any ((select auth_private.push_user_ids())::uuid[])
    and (phone is null or exists (
      select from auth_private.wechat_pushes p where p.event = 'user_authorization_cancellation')));

-- As auth_signer: an identity names nobody to whom it does not lead.
grant select (id, user_id, provider, appid, provider_id, unionid, created_at),
  update (provider_id, unionid, updated_at), delete on auth.identities to auth_eraser;
create policy identities_eraser_select on auth.identities for select to auth_eraser using (true);
create policy identities_eraser_update on auth.identities for update to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]))
  with check (provider_id = 'deleted-' || id and unionid is null);
create policy identities_eraser_delete on auth.identities for delete to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));

grant select (user_id), delete on auth.sessions to auth_eraser;
create policy sessions_eraser_select on auth.sessions for select to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
create policy sessions_eraser_delete on auth.sessions for delete to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));

grant select (user_id), delete on auth.phone_changes to auth_eraser;
create policy phone_changes_eraser_all on auth.phone_changes to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));

grant select (user_id, details), update (details) on auth.audit_log_entries to auth_eraser;
create policy audit_log_entries_eraser_insert on auth.audit_log_entries for insert to auth_eraser
  with check (user_id = (select auth_private.push_user_id()) and actor = 'wechat');
create policy audit_log_entries_eraser_select on auth.audit_log_entries for select to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
create policy audit_log_entries_eraser_update on auth.audit_log_entries for update to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));

grant select (user_id, data), update (data) on auth_private.events to auth_eraser;
create policy events_eraser_insert on auth_private.events for insert to auth_eraser
  with check (user_id = (select auth_private.push_user_id()) and not data ? 'phone');
create policy events_eraser_select on auth_private.events for select to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
create policy events_eraser_update on auth_private.events for update to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]))
  with check (not data ? 'phone');
