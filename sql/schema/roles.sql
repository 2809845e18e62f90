-- Roles. Created where missing; an existing role keeps its attributes and its password: they belong to whoever
-- runs this cluster. `authenticator` gets a password (or a login that is its member) from the operator.
--
-- Callers, chosen per request from the verified token:
--   anon, authenticated, service_role
-- The web service's login. It inherits nothing; it may become a caller, and it alone may execute the functions of
-- `auth_private` that believe what WeChat said:
--   authenticator
-- Support staff, whose logins are made members of it; the web service has nothing to do with it:
--   support
-- Duties. Each owns the SECURITY DEFINER functions of one duty and nothing else, and has exactly the columns and
-- policies that the duty needs, so that row-level security holds inside those functions too:
--   auth_signer   signing in: users, identities and sessions of the openid that WeChat vouched for
--   auth_keeper   sessions: checking, refreshing and ending them
--   auth_holder   the account of the session's own user: metadata, identities, deletion
--   auth_claims   nothing at all: as it the application's own function of claims runs
--   auth_binder   codes and phones of the session's own user
--   auth_merger   two accounts that become one
--   auth_steward  the functions of administrators
--   auth_courier  WeChat's access tokens, and the counts of its calls
--   auth_limiter  the counters of the rate limits
--   auth_herald   subscribers, and what they could not be told
--   auth_receiver the inbox of WeChat's message push
--   auth_eraser   taking away what WeChat's message push says that a person has taken back
--   auth_revealer showing a phone to support staff
--   auth_watcher  counting what waits, for /metrics
do $$
declare
  v_role text;
  -- Since 16 a membership says for itself whether it inherits; before, the member does.
  v_has_options boolean := current_setting('server_version_num')::integer >= 160000;
begin
  foreach v_role in array array[
    'anon', 'authenticated', 'service_role', 'authenticator', 'support',
    'auth_signer', 'auth_keeper', 'auth_holder', 'auth_claims', 'auth_binder', 'auth_merger', 'auth_steward', 'auth_courier', 'auth_limiter',
    'auth_herald', 'auth_receiver', 'auth_eraser', 'auth_revealer', 'auth_watcher'
  ] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      begin
        execute format('create role %I %s noinherit', v_role,
          case v_role when 'authenticator' then 'login' else 'nologin' end);
      exception when duplicate_object or unique_violation then
        null; -- another database of this cluster is being migrated at this moment
      end;
    end if;
  end loop;
  begin
    -- The migrating login hands functions over to the duties and replaces them later: it must be able to become each.
    foreach v_role in array array[
      'auth_signer', 'auth_keeper', 'auth_holder', 'auth_claims', 'auth_binder', 'auth_merger', 'auth_steward', 'auth_courier', 'auth_limiter',
    'auth_herald', 'auth_receiver', 'auth_eraser', 'auth_revealer', 'auth_watcher'
    ] loop
      if v_has_options then
        if not (pg_has_role(current_user, v_role, 'usage') and pg_has_role(current_user, v_role, 'set')) then
          execute format('grant %I to %I with inherit true, set true', v_role, current_user);
        end if;
      elsif not pg_has_role(current_user, v_role, 'usage') then
        execute format('grant %I to %I', v_role, current_user);
      end if;
    end loop;
    foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
      if not pg_has_role('authenticator', v_role, 'member') then
        execute format('grant %I to authenticator %s', v_role,
          case when v_has_options then 'with inherit false, set true' end);
      end if;
    end loop;
  exception when insufficient_privilege then
    raise exception 'The login % may not grant the role %', current_user, v_role
      using errcode = 'insufficient_privilege',
        hint = format('The role belongs to another login. Let that one, or a superuser, run: grant %I to %I with admin option',
          v_role, current_user);
  end;
end
$$;
