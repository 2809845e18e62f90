create policy audit_log_entries_eraser_insert on auth.audit_log_entries for insert to auth_eraser
  with check (user_id = (select auth_private.push_user_id()) and actor = 'wechat');
create policy audit_log_entries_eraser_select on auth.audit_log_entries for select to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
create policy audit_log_entries_eraser_update on auth.audit_log_entries for update to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
create policy events_eraser_insert on auth_private.events for insert to auth_eraser
  with check (user_id = (select auth_private.push_user_id()) and not data ? 'phone');
create policy events_eraser_select on auth_private.events for select to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
create policy events_eraser_update on auth_private.events for update to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]))
  with check (not data ? 'phone');
