create function auth.role() returns text
language sql stable
return nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role';

revoke all on function auth.role() from public;
grant execute on function auth.role() to
  anon, authenticated, service_role, auth_merger;

comment on function auth.role() is
  'The role claim of the caller''s token: anon, authenticated or service_role. Null outside a request.';
