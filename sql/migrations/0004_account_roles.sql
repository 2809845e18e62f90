-- The duties auth_holder and auth_claims: their roles and rights. The files up to 0010_accounts.sql are one change. Each locks one
-- table that the service lives on, or two that it always takes in this order: who had one and waited for another would
-- deadlock with it.

do $$
declare
  v_role text;
  v_has_options boolean := current_setting('server_version_num')::integer >= 160000;
begin
  foreach v_role in array array['auth_holder', 'auth_claims'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin noinherit', v_role);
      exception when duplicate_object or unique_violation then
        null; -- another database of this cluster is being migrated at this moment
      end;
    end if;
    begin
      if v_has_options then
        if not (pg_has_role(current_user, v_role, 'usage') and pg_has_role(current_user, v_role, 'set')) then
          execute format('grant %I to %I with inherit true, set true', v_role, current_user);
        end if;
      elsif not pg_has_role(current_user, v_role, 'usage') then
        execute format('grant %I to %I', v_role, current_user);
      end if;
    exception when insufficient_privilege then
      raise exception 'The login % may not grant the role %', current_user, v_role
        using errcode = 'insufficient_privilege',
          hint = format('The role belongs to another login. Let that one, or a superuser, run: grant %I to %I with admin option',
            v_role, current_user);
    end;
  end loop;
end
$$;

grant usage on schema auth, auth_private to auth_holder;

grant execute on function auth.jwt(), auth.uid() to auth_holder;
grant execute on function auth_private.user_json(auth.users) to auth_holder;
grant execute on function auth_private.session_user_id() to auth_holder;
grant execute on function auth_private.signing_identity() to auth_holder;
grant execute on function auth_private.enter_session(uuid) to auth_holder;
grant execute on function auth_private.hold_session(uuid, boolean) to auth_holder;
grant insert (type, user_id, data) on auth_private.events to auth_holder;
grant insert (action, user_id, actor, session_id, details) on auth.audit_log_entries to auth_holder;
comment on function auth_private.session_user_id() is
  'Whose session the verified one is, by the sessions'' table: what the policies of auth_keeper, auth_holder and auth_binder compare with. Never an argument.';
comment on function auth_private.signing_identity() is
  'Who is signing in, by WeChat''s word: {appid, openid, unionid}. What the policies of auth_signer and auth_holder compare with.';

grant select on auth.audit_log_entries to auth_steward;

grant select, delete on auth.sessions to auth_steward;
grant delete on auth.sessions to auth_signer;

grant update (provider_id, unionid, updated_at) on auth.identities to auth_steward;

grant insert (id, user_metadata, app_metadata), delete on auth.users to auth_steward;
grant update (user_metadata, app_metadata, banned_until, deleted_at) on auth.users to auth_steward;
grant update (updated_at) on auth.users to auth_keeper;

-- The duty auth_holder: what its functions may reach, whatever is written in them.

-- auth_holder: the session's own user, of him never the phone, and his identities and sessions.
grant select (id, user_id), delete on auth.sessions to auth_holder;
-- It may lock the session, for which PostgreSQL wants a right to update, and never update it.
grant update (id) on auth.sessions to auth_holder;

grant select on auth.users to auth_holder;
grant update (wechat_id, wechat_unionid, user_metadata, updated_at, deleted_at) on auth.users to auth_holder;

-- A new identity is the one that WeChat has just vouched for; an old one is only made useless.
grant select, insert (user_id, provider, appid, provider_id, unionid), delete,
  update (provider_id, unionid, updated_at) on auth.identities to auth_holder;
