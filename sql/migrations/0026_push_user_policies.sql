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

grant select (user_id), delete on auth.phone_changes to auth_eraser;
create policy phone_changes_eraser_all on auth.phone_changes to auth_eraser
  using (user_id = any ((select auth_private.push_user_ids())::uuid[]));
