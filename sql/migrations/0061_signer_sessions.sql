-- As 0060_signer_users.sql.
alter policy sessions_signer_select on auth.sessions using (user_id = (select auth.uid()));
