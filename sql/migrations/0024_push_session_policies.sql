create policy sessions_eraser_select on auth.sessions for select to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
create policy sessions_eraser_delete on auth.sessions for delete to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
