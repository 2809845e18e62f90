-- Support staff: the role support, and the duty auth_revealer. The files up to 0038_support.sql are one change.

do $$
declare
  v_role text;
  v_has_options boolean := current_setting('server_version_num')::integer >= 160000;
begin
  foreach v_role in array array['auth_revealer', 'support'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin noinherit', v_role);
      exception when duplicate_object or unique_violation then
        null; -- another database of this cluster is being migrated at this moment
      end;
    end if;
    -- Only duties are the migrating login's to become.
    continue when v_role = 'support';
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

grant usage on schema auth to auth_revealer, support;
grant usage on schema auth_private to auth_revealer;

grant execute on function auth_private.mask_phone(text) to auth_revealer;
grant execute on function auth_private.require_reason(text) to auth_revealer;
grant execute on function auth_private.mask_phones_in(text) to auth_revealer;
grant insert (action, user_id, actor, session_id, details) on auth.audit_log_entries to auth_revealer;
-- auth_revealer: the phone of anybody, and that somebody has seen it.
grant select (id, phone) on auth.users to auth_revealer;

comment on column auth.audit_log_entries.action is
  'user_signed_up, user_signed_in, user_signed_out, session_expired, refresh_token_reused, sessions_ended; user_created, user_imported, user_updated, user_banned, user_unbanned, user_merged, user_exported, user_deleted; identity_linked, identity_unlinked; phone_bound, phone_refused, phone_unbound, phone_revealed; authorization_revoked; webhook_added, webhook_removed, deliveries_replayed.';
comment on column auth.audit_log_entries.actor is 'user; admin:<database login> for the functions of administrators; support:<database login> for support staff; wechat for its message push.';
