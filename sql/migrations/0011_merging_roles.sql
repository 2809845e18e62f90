-- The duty auth_merger: its role and rights. The files up to 0017_phone_history.sql are one change; why there are several says
-- 0004_account_roles.sql.

do $$
declare
  v_role text;
  v_has_options boolean := current_setting('server_version_num')::integer >= 160000;
begin
  foreach v_role in array array['auth_merger'] loop
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

grant usage on schema auth, auth_private to auth_merger;

-- uid and role: policies of the application's tables ask for them.
grant execute on function auth.jwt(), auth.uid(), auth.role() to auth_merger;
grant execute on function auth_private.session_user_id() to auth_merger;
grant execute on function auth_private.signing_identity() to auth_merger;
grant execute on function auth_private.signing_user_id() to auth_merger;
grant execute on function auth_private.mask_phone(text) to auth_merger;
grant execute on function auth_private.mask_phones_in(text) to auth_merger;
grant insert (action, user_id, actor, session_id, details) on auth.audit_log_entries to auth_merger;
grant insert (type, user_id, data) on auth_private.events to auth_merger;

grant select on auth.users to auth_merger;

grant update (id, phone, phone_confirmed_at, phone_raw, wechat_id, wechat_unionid, app_metadata, user_metadata,
              last_sign_in_at, banned_until, merged_into, updated_at) on auth.users to auth_merger;

grant select on auth.identities to auth_merger;

grant update (user_id, updated_at) on auth.identities to auth_merger;

grant select on auth.sessions to auth_merger;

grant update (user_id) on auth.sessions to auth_merger;

grant select on auth_private.wechat_codes to auth_merger;

grant update (user_id, phone_revision) on auth_private.wechat_codes to auth_merger;

comment on function auth_private.signing_identity() is
  'Who is signing in, by WeChat''s word: {appid, openid, unionid}. What the policies of auth_signer, auth_holder and auth_merger compare with.';

create function auth_private.merging_users() returns uuid[]
language sql stable
return string_to_array(nullif(current_setting('request.merge', true), ''), ',')::uuid[];

revoke all on function auth_private.merging_users() from public;
grant execute on function auth_private.merging_users() to auth_merger;

comment on function auth_private.merging_users() is
  'The two accounts that are being merged: what the policies of auth_merger compare with. Setting request.merge: <from>,<into>.';
