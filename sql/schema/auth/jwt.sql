create function auth.jwt() returns jsonb
language sql stable
return nullif(current_setting('request.jwt.claims', true), '')::jsonb;

revoke all on function auth.jwt() from public;
grant execute on function auth.jwt() to
  anon, authenticated, service_role, auth_keeper, auth_holder, auth_binder, auth_merger;

comment on function auth.jwt() is
  'The verified claims of the caller''s token, null where there is none. In a transaction of the server only: setting request.jwt.claims.';
