-- As 0060_signer_users.sql.
alter policy events_signer_insert on auth_private.events with check (user_id = (select auth.uid()));
