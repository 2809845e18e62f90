-- Roles. Created where missing; an existing role keeps its attributes and its password: they belong to whoever
-- runs this cluster. `authenticator` gets a password (or a login that is its member) from the operator.
--
-- Callers, chosen per request from the verified token:
--   anon, authenticated, service_role
-- The web service's login. It inherits nothing; it may become a caller, and it alone may execute the functions of
-- `auth_private` that believe what WeChat said:
--   authenticator
-- Duties. Each owns the SECURITY DEFINER functions of one duty and nothing else, and has exactly the columns and
-- policies that the duty needs, so that row-level security holds inside those functions too:
--   auth_signer   signing in: users, identities and sessions of the openid that WeChat vouched for
--   auth_keeper   sessions: checking, refreshing and ending them
--   auth_binder   codes and phones of the session's own user
--   auth_steward  the functions of administrators
--   auth_courier  WeChat's access tokens
do $$
declare
  v_role text;
begin
  foreach v_role in array array[
    'anon', 'authenticated', 'service_role',
    'auth_signer', 'auth_keeper', 'auth_binder', 'auth_steward', 'auth_courier'
  ] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      execute format('create role %I nologin noinherit', v_role);
    end if;
  end loop;
  if not exists (select from pg_catalog.pg_roles where rolname = 'authenticator') then
    create role authenticator login noinherit;
  end if;
  -- The migrating login hands functions over to the duties and replaces them later: it must be able to become each.
  foreach v_role in array array['auth_signer', 'auth_keeper', 'auth_binder', 'auth_steward', 'auth_courier'] loop
    if not pg_has_role(current_user, v_role, 'usage') then
      execute format('grant %I to %I', v_role, current_user);
    end if;
  end loop;
  foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (
      select from pg_catalog.pg_auth_members m
      where m.roleid = v_role::regrole and m.member = 'authenticator'::regrole
    ) then
      execute format('grant %I to authenticator', v_role);
    end if;
  end loop;
end
$$;
