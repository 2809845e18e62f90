alter policy events_binder_insert on auth_private.events
  with check (user_id = (select auth.uid()));
