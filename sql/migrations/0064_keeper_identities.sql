-- Of the user whom auth_private.enter_session has read off the session's row.
alter policy identities_keeper_select on auth.identities using (user_id = (select auth.uid()));
