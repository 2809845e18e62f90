-- Schemas. `auth` is what applications and administrators see; `auth_private` holds what only the server calls.

create schema auth;
comment on schema auth is
  'Users, identities and sessions of the mini program, and the functions of administrators.';

create schema auth_private;
comment on schema auth_private is
  'What only the server may call or read: codes, events, WeChat''s access tokens, and the functions that believe WeChat.';

grant usage on schema auth to anon, authenticated, service_role, auth_signer, auth_keeper, auth_holder, auth_binder, auth_merger,
  auth_steward, auth_courier, auth_herald, auth_eraser, auth_revealer, support;
grant usage on schema auth_private
  to authenticator, auth_signer, auth_keeper, auth_holder, auth_binder, auth_merger, auth_steward, auth_courier, auth_limiter,
  auth_herald, auth_receiver, auth_eraser, auth_revealer, auth_watcher;

-- A definer function changes hands only if its new owner may create in the schema. Taken back in schema_end.sql.
grant create on schema auth, auth_private to
  auth_signer, auth_keeper, auth_holder, auth_claims, auth_binder, auth_merger, auth_steward, auth_courier, auth_limiter,
  auth_herald, auth_receiver, auth_eraser, auth_revealer, auth_watcher;
