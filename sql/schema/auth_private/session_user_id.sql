create function auth_private.session_user_id() returns uuid
language sql stable
return (select s.user_id from auth.sessions s where s.id = (auth.jwt() ->> 'session_id')::uuid);

revoke all on function auth_private.session_user_id() from public;
grant execute on function auth_private.session_user_id() to auth_keeper, auth_holder, auth_binder, auth_merger;

comment on function auth_private.session_user_id() is
  'Whose session the verified one is, by the sessions'' table: what the policies of auth_keeper, auth_holder and auth_binder compare with. Never an argument.';
