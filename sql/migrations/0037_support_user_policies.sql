create policy users_revealer_select on auth.users for select to auth_revealer using (true);
