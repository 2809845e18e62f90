-- No SET clause, so that it is inlined; in policies write (select auth.uid()), which is evaluated once a statement.
create function auth.uid() returns uuid
language sql stable
return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;

revoke all on function auth.uid() from public;
grant execute on function auth.uid() to
  anon, authenticated, service_role, auth_signer, auth_keeper, auth_holder, auth_binder, auth_merger;

comment on function auth.uid() is
  'The id of the calling user, null for anon. It is the user whose session this is now: after a merge, the survivor.';
