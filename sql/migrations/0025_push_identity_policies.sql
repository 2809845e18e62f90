create policy identities_eraser_select on auth.identities for select to auth_eraser using (true);
create policy identities_eraser_update on auth.identities for update to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]))
  with check (provider_id = 'deleted-' || id and unionid is null);
create policy identities_eraser_delete on auth.identities for delete to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
