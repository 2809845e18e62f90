-- The functions of the user's own account, of claims by the application, of sessions that end, and of administrators.

grant create on schema auth, auth_private to auth_holder, auth_claims, auth_keeper, auth_signer, auth_steward;

create or replace function auth_private.sign_out(p_session_id uuid, p_scope text) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  -- As hold_session: the user first, or whoever else ends several of his sessions at this moment would deadlock with this.
  perform from auth.users u where u.id = (select auth_private.session_user_id()) for no key update;
  v_user := auth_private.enter_session(p_session_id);
  delete from auth.sessions s
  where s.user_id = v_user.id
    and case p_scope
      when 'global' then true
      when 'local' then s.id = p_session_id
      when 'others' then s.id <> p_session_id
    end;
  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('user_signed_out', v_user.id, 'user', p_session_id, jsonb_build_object('scope', p_scope));
end
$$;

revoke all on function auth_private.sign_out(uuid, text) from public;
grant execute on function auth_private.sign_out(uuid, text) to authenticator;
alter function auth_private.sign_out(uuid, text) owner to auth_keeper;

comment on function auth_private.sign_out(uuid, text) is
  'Ends sessions of the session''s user: p_scope global (all), local (this one) or others (all but this one). Raises session_not_found (WX003), user_banned (WX004).';

create function auth_private.merge_metadata(p_old jsonb, p_changes jsonb) returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_new jsonb := (p_old || p_changes)
    - array(select e.key from jsonb_each(p_changes) e where e.value = 'null');
begin
  -- It stands in the access token, which stands in a header. What is too large already may become smaller.
  if octet_length(v_new::text) > greatest(4096, octet_length(p_old::text)) then
    raise exception 'The metadata would be larger than 4096 bytes' using errcode = 'WX001',
      hint = 'It is part of every access token: keep what is large in a table of your own.';
  end if;
  return v_new;
end
$$;

revoke all on function auth_private.merge_metadata(jsonb, jsonb) from public;
grant execute on function auth_private.merge_metadata(jsonb, jsonb) to auth_holder, auth_steward;

comment on function auth_private.merge_metadata(jsonb, jsonb) is
  'Metadata after a change, as GoTrue merges it: the keys of the changes replace those of the same name, null takes a key away, values are not merged. Raises validation_failed (WX001) where that is more than 4096 bytes of JSON and has grown.';

-- The one statement of a sign-in. Before: src/rpc/wechat_sign_in.ts, with WeChat's answer to jscode2session.
create function auth_private.wechat_sign_in(
  p_appid text, p_openid text, p_unionid text, p_is_only boolean,
  out session_id uuid, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_user_id uuid;
  v_is_new boolean;
  v_constraint text;
begin
  perform set_config('request.wechat',
    jsonb_build_object('appid', p_appid, 'openid', p_openid, 'unionid', p_unionid)::text, true);
  -- However many sign-ins of one person race, they pass here one by one; and, as in wechat_bind_account, before any row is
  -- locked: the other way round the two would deadlock.
  perform pg_advisory_xact_lock(hashtextextended('openid:' || p_appid || ':' || p_openid, 0));
  perform pg_advisory_xact_lock(hashtextextended('unionid:' || p_unionid, 0));

  loop
    v_is_new := false;
    v_user_id := auth_private.signing_user_id();
    if v_user_id is null then
      begin
        -- Locked before anything is written for him, here and everywhere.
        select u.id into v_user_id from auth.users u
        where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null
          and not exists (select from auth.identities i where i.user_id = u.id and i.appid = p_appid)
        for no key update;
        if not found then
          v_is_new := true;
          insert into auth.users (wechat_id, wechat_unionid, app_metadata)
          values (
            p_openid,
            case when not exists (
              select from auth.users u
              where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null
            ) then p_unionid end,
            '{"provider": "wechat_mini", "providers": ["wechat_mini"]}')
          returning id into v_user_id;
        end if;
        insert into auth.identities (user_id, provider, appid, provider_id, unionid)
        values (v_user_id, 'wechat_mini', p_appid, p_openid, p_unionid);
      exception when unique_violation then
        get stacked diagnostics v_constraint = constraint_name;
        -- This very moment he linked another openid of this app, or an import brought this one, or its unionid: look again.
        -- What the application itself forbids would be tried for ever.
        if v_constraint <> all (array[
          'identities_one_per_app_key', 'identities_provider_id_key', 'users_wechat_unionid_key']) then raise; end if;
        continue;
      end;
    end if;

    -- Locked: he was deleted, or this openid was unlinked from him, this very moment? Whoever signs in now is another.
    perform from auth.users u where u.id = v_user_id for no key update;
    continue when auth_private.signing_user_id() is distinct from v_user_id;
    update auth.users u
    set last_sign_in_at = now(),
        updated_at = now(),
        -- A unionid that arrives later is noted, unless another living user has it already.
        wechat_unionid = case
          when u.wechat_unionid is null and not exists (
            select from auth.users o
            where o.wechat_unionid = p_unionid and o.deleted_at is null and o.merged_into is null
          ) then p_unionid
          else u.wechat_unionid
        end
    where u.id = v_user_id
    returning * into v_user;
    exit when found;
  end loop;
  if v_user.banned_until > now() or v_user.deleted_at is not null then
    raise exception 'This user is banned' using errcode = 'WX004';
  end if;
  update auth.identities i
  set last_sign_in_at = now(), updated_at = now(), unionid = coalesce(p_unionid, i.unionid)
  where i.provider = 'wechat_mini' and i.appid = p_appid and i.provider_id = p_openid;

  insert into auth.sessions as s (user_id) values (v_user_id)
  returning s.id, s.refresh_counter, s.created_at into session_id, refresh_counter, signed_in_at;
  if p_is_only then
    delete from auth.sessions s where s.user_id = v_user_id and s.id <> wechat_sign_in.session_id;
  end if;

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values (case when v_is_new then 'user_signed_up' else 'user_signed_in' end, v_user_id, 'user', session_id,
    jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  if v_is_new then
    insert into auth_private.events (type, user_id, data)
    values ('user.created', v_user_id, jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  end if;
  insert into auth_private.events (type, user_id, data)
  values ('user.signed_in', v_user_id, jsonb_build_object('session_id', session_id, 'appid', p_appid));

  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_sign_in(text, text, text, boolean) from public;
grant execute on function auth_private.wechat_sign_in(text, text, text, boolean) to authenticator;
alter function auth_private.wechat_sign_in(text, text, text, boolean) owner to auth_signer;

comment on function auth_private.wechat_sign_in(text, text, text, boolean) is
  'Signs in whom WeChat vouches for (p_unionid may be null): the user is created at first sight, or found by the unionid. With p_is_only his other sessions end. Answers the new session, the counter of its first refresh token, its time, and the user. Raises user_banned (WX004).';

create function auth_private.refresh_session(
  p_session_id uuid, p_counter bigint, p_timebox_s integer, p_inactivity_s integer,
  out state text, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.sessions;
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  select * into v_session from auth.sessions s where s.id = p_session_id for no key update;
  if not found then
    state := 'refresh_token_not_found';
    return;
  end if;
  v_user := auth_private.enter_session(p_session_id);
  if v_session.created_at + make_interval(secs => p_timebox_s) <= now()
    or v_session.refreshed_at + make_interval(secs => p_inactivity_s) <= now() then
    state := 'session_expired';
    delete from auth.sessions s where s.id = p_session_id;
    insert into auth.audit_log_entries (action, user_id, actor, session_id)
    values ('session_expired', v_user.id, 'user', p_session_id);
    return;
  end if;

  state := 'refreshed';
  -- Ahead of the row is a token that we made before a failover lost its transaction.
  if p_counter >= v_session.refresh_counter then
    update auth.sessions s
    set refresh_counter = p_counter + 1, refreshed_at = now()
    where s.id = p_session_id;
    refresh_counter := p_counter + 1;
  -- The active token's parent (an answer that never arrived), or a race of the last seconds: the active one again.
  elsif p_counter = v_session.refresh_counter - 1
    or p_counter < v_session.refresh_counter and v_session.refreshed_at > now() - interval '10 seconds' then
    refresh_counter := v_session.refresh_counter;
  else
    state := 'refresh_token_already_used';
    delete from auth.sessions s where s.id = p_session_id;
    insert into auth.audit_log_entries (action, user_id, actor, session_id)
    values ('refresh_token_reused', v_user.id, 'user', p_session_id);
    return;
  end if;
  signed_in_at := v_session.created_at;
  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.refresh_session(uuid, bigint, integer, integer) from public;
grant execute on function auth_private.refresh_session(uuid, bigint, integer, integer) to authenticator;
alter function auth_private.refresh_session(uuid, bigint, integer, integer) owner to auth_keeper;

comment on function auth_private.refresh_session(uuid, bigint, integer, integer) is
  'Rotates a refresh token whose HMAC the server has checked. state refreshed: refresh_counter is that of the token to hand out, signed_in_at when the session began; the active token''s parent, and any earlier one within 10 seconds, get the active one again (GoTrue). state refresh_token_not_found: the session has ended. state session_expired: it is older than p_timebox_s seconds, or was not refreshed for p_inactivity_s (null: no such limit), and is ended. state refresh_token_already_used: any other reuse; the session is ended. Raises user_banned (WX004).';

-- What nodes of the version before call while an upgrade is under way. A default for the new parameters would not do: the former
-- functions would have to be dropped, which fails everybody who is in one at that moment.
create or replace function auth_private.wechat_sign_in(
  p_appid text, p_openid text, p_unionid text,
  out session_id uuid, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language sql volatile
begin atomic
  select * from auth_private.wechat_sign_in(p_appid, p_openid, p_unionid, false);
end;

alter function auth_private.wechat_sign_in(text, text, text) owner to current_user;
revoke all on function auth_private.wechat_sign_in(text, text, text) from public;
grant execute on function auth_private.wechat_sign_in(text, text, text) to authenticator;
comment on function auth_private.wechat_sign_in(text, text, text) is
  'The former signature, for nodes of the version before.';

create or replace function auth_private.refresh_session(
  p_session_id uuid, p_counter bigint,
  out state text, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language sql volatile
begin atomic
  select * from auth_private.refresh_session(p_session_id, p_counter, null, null);
end;

alter function auth_private.refresh_session(uuid, bigint) owner to current_user;
revoke all on function auth_private.refresh_session(uuid, bigint) from public;
grant execute on function auth_private.refresh_session(uuid, bigint) to authenticator;
comment on function auth_private.refresh_session(uuid, bigint) is
  'The former signature, for nodes of the version before. It knows no limits.';

-- Runs as auth_claims, which may do nothing. The application's function only answers: it may not write, and the settings that it
-- changes, those of the session too, are as before when it is over, so that no later statement of the connection reads them.
create function auth_private.custom_claims(p_claims jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb;
begin
  -- By the catalogue: to_regprocedure fails where auth_claims may not use the schema.
  if not exists (
    select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname = 'custom_access_token'
      and p.pronargs = 1 and p.proargtypes[0] = 'jsonb'::regtype
  ) then
    return p_claims;
  end if;
  begin
    perform set_config('transaction_read_only', 'on', true);
    execute 'select public.custom_access_token($1)' into v_claims using p_claims;
    raise exception using errcode = 'triggered_action_exception';
  exception
    when triggered_action_exception then
      null; -- undone
    when others then
      raise exception 'public.custom_access_token failed: % (%)', sqlerrm, sqlstate
        using errcode = 'external_routine_exception';
  end;
  if jsonb_typeof(v_claims) is distinct from 'object' then
    raise exception 'public.custom_access_token answered no object' using errcode = 'external_routine_exception';
  end if;
  if octet_length(v_claims::text) > 10240 then
    raise exception 'public.custom_access_token answered more than 10240 bytes' using errcode = 'external_routine_exception';
  end if;
  return v_claims;
end
$$;

revoke all on function auth_private.custom_claims(jsonb) from public;
grant execute on function auth_private.custom_claims(jsonb) to auth_keeper;
alter function auth_private.custom_claims(jsonb) owner to auth_claims;

comment on function auth_private.custom_claims(jsonb) is
  'The claims as the application''s public.custom_access_token(jsonb) makes them, where it has defined that; as they are, otherwise. Raises 38000 where that function fails, or answers no object or more than 10240 bytes.';

-- Part of the statements that open and refresh a session: where it fails, neither has happened.
create function auth_private.access_token_claims(p_session_id uuid, p_token jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_fixed jsonb;
  v_claims jsonb;
begin
  v_user := auth_private.enter_session(p_session_id);
  v_fixed := p_token || jsonb_build_object('sub', v_user.id, 'role', 'authenticated', 'session_id', p_session_id);
  select v_fixed || jsonb_build_object(
    'phone', coalesce(v_user.phone, ''),
    -- An import may have brought more than fits into a header: whoever has that could not call at all.
    'app_metadata', case when octet_length(v_user.app_metadata::text) <= 4096 then v_user.app_metadata else '{}' end,
    'user_metadata', case when octet_length(v_user.user_metadata::text) <= 4096 then v_user.user_metadata else '{}' end,
    'aal', 'aal1',
    'amr', jsonb_build_array(jsonb_build_object(
      'method', 'wechat_mini', 'timestamp', floor(extract(epoch from s.created_at))::bigint)),
    'is_anonymous', false)
  into v_claims
  from auth.sessions s where s.id = p_session_id;
  -- Without nbf: a token that is not good yet would be refused at once.
  return auth_private.custom_claims(v_claims) - 'nbf' || v_fixed;
end
$$;

revoke all on function auth_private.access_token_claims(uuid, jsonb) from public;
grant execute on function auth_private.access_token_claims(uuid, jsonb) to authenticator;
alter function auth_private.access_token_claims(uuid, jsonb) owner to auth_keeper;

comment on function auth_private.access_token_claims(uuid, jsonb) is
  'The claims of an access token of this session (GoTrue''s, and what public.custom_access_token makes of them; metadata of more than 4096 bytes are left out). p_token: iss, aud, iat, exp; they, sub, role and session_id are what they are, whatever the application''s function answers. Raises session_not_found (WX003), user_banned (WX004), 38000 (custom_claims).';

-- One statement. Before: src/rpc/update_current_user.ts.
create function auth_private.update_user(p_session_id uuid, p_user_metadata jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  if p_user_metadata = '{}' then
    return auth_private.user_json(v_user);
  end if;
  update auth.users u
  set user_metadata = auth_private.merge_metadata(u.user_metadata, p_user_metadata), updated_at = now()
  where u.id = v_user.id
  returning * into v_user;
  insert into auth.audit_log_entries (action, user_id, actor, session_id)
  values ('user_updated', v_user.id, 'user', p_session_id);
  return auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.update_user(uuid, jsonb) from public;
grant execute on function auth_private.update_user(uuid, jsonb) to authenticator;
alter function auth_private.update_user(uuid, jsonb) owner to auth_holder;

comment on function auth_private.update_user(uuid, jsonb) is
  'Merges an object into the user_metadata of the session''s user (merge_metadata) and answers him as user_json. Raises validation_failed (WX001: too large), session_not_found (WX003), user_banned (WX004).';

-- One statement. Before: src/rpc/wechat_bind_account.ts, with WeChat's answer to jscode2session.
create function auth_private.wechat_bind_account(p_session_id uuid, p_appid text, p_openid text, p_unionid text)
returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_own text;
  v_constraint text;
begin
  perform set_config('request.wechat',
    jsonb_build_object('appid', p_appid, 'openid', p_openid, 'unionid', p_unionid)::text, true);
  -- As in wechat_sign_in: whoever signs in with this openid for the first time passes here, too.
  perform pg_advisory_xact_lock(hashtextextended('openid:' || p_appid || ':' || p_openid, 0));
  perform pg_advisory_xact_lock(hashtextextended('unionid:' || p_unionid, 0));
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);

  select i.provider_id into v_own from auth.identities i
  where i.user_id = v_user.id and i.provider = 'wechat_mini' and i.appid = p_appid;
  if v_own = p_openid then
    return auth_private.user_json(v_user);
  elsif found then
    raise exception 'This account has another WeChat identity of this app' using errcode = 'WX007',
      hint = 'Unlink that one first.';
  end if;

  begin
    insert into auth.identities (user_id, provider, appid, provider_id, unionid)
    values (v_user.id, 'wechat_mini', p_appid, p_openid, p_unionid);
  exception when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint is distinct from 'identities_provider_id_key' then raise; end if;
    raise exception 'This WeChat identity belongs to another account' using errcode = 'WX007';
  end;
  begin
    update auth.users u
    set wechat_id = coalesce(u.wechat_id, p_openid),
        wechat_unionid = coalesce(u.wechat_unionid, p_unionid),
        updated_at = now()
    where u.id = v_user.id
    returning * into v_user;
  exception when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint is distinct from 'users_wechat_unionid_key' then raise; end if;
    -- Another living user has this unionid, and keeps it.
    update auth.users u set wechat_id = coalesce(u.wechat_id, p_openid), updated_at = now()
    where u.id = v_user.id
    returning * into v_user;
  end;

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('identity_linked', v_user.id, 'user', p_session_id,
    jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  return auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_bind_account(uuid, text, text, text) from public;
grant execute on function auth_private.wechat_bind_account(uuid, text, text, text) to authenticator;
alter function auth_private.wechat_bind_account(uuid, text, text, text) owner to auth_holder;

comment on function auth_private.wechat_bind_account(uuid, text, text, text) is
  'Gives the session''s user the openid that WeChat vouches for (p_unionid may be null), so that it signs him in, and answers him as user_json; his own openid again is success and writes nothing. Raises identity_already_exists (WX007: another user''s, or he has another one of this app), session_not_found (WX003), user_banned (WX004).';

-- One statement. Before: src/rpc/unlink_identity.ts.
create function auth_private.unlink_identity(p_session_id uuid, p_identity_id uuid) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_identity auth.identities;
begin
  -- The user is locked, so of two that unlink the last two one comes too late.
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  if not exists (select from auth.identities i where i.id = p_identity_id and i.user_id = v_user.id) then
    raise exception 'This account has no such identity' using errcode = 'WX001';
  end if;
  if not exists (select from auth.identities i where i.id <> p_identity_id and i.user_id = v_user.id) then
    raise exception 'The last identity stays: without it nobody could sign in to this account' using errcode = 'WX008';
  end if;
  delete from auth.identities i where i.id = p_identity_id and i.user_id = v_user.id returning * into v_identity;

  -- What the user is called by, and would be found by, comes from the identities that are left.
  update auth.users u
  set wechat_id = case when u.wechat_id = v_identity.provider_id then (
        select i.provider_id from auth.identities i where i.user_id = u.id order by i.created_at, i.id limit 1
      ) else u.wechat_id end,
      wechat_unionid = case when u.wechat_unionid = v_identity.unionid and not exists (
        select from auth.identities i where i.user_id = u.id and i.unionid = u.wechat_unionid
      ) then null else u.wechat_unionid end,
      updated_at = now()
  where u.id = v_user.id
  returning * into v_user;

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('identity_unlinked', v_user.id, 'user', p_session_id,
    jsonb_build_object('provider', v_identity.provider, 'appid', v_identity.appid));
  return auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.unlink_identity(uuid, uuid) from public;
grant execute on function auth_private.unlink_identity(uuid, uuid) to authenticator;
alter function auth_private.unlink_identity(uuid, uuid) owner to auth_holder;

comment on function auth_private.unlink_identity(uuid, uuid) is
  'Takes an identity from the session''s user, who is not found by it any more (but by its unionid, where another identity that he keeps has the same), and answers him as user_json. Raises validation_failed (WX001: he has no such identity), single_identity_not_deletable (WX008), session_not_found (WX003), user_banned (WX004).';

-- One statement. Before: src/rpc/delete_current_user.ts.
create function auth_private.delete_user(p_session_id uuid) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  update auth.users u set deleted_at = now(), updated_at = now() where u.id = v_user.id;
  update auth.identities i set provider_id = 'deleted-' || i.id, unionid = null, updated_at = now()
  where i.user_id = v_user.id;

  insert into auth.audit_log_entries (action, user_id, actor, session_id)
  values ('user_deleted', v_user.id, 'user', p_session_id);
  insert into auth_private.events (type, user_id, data)
  values ('user.deleted', v_user.id, '{"hard": false}');
  -- Last, as the policies know by the session whose account this is.
  delete from auth.sessions s where s.user_id = v_user.id;
end
$$;

revoke all on function auth_private.delete_user(uuid) from public;
grant execute on function auth_private.delete_user(uuid) to authenticator;
alter function auth_private.delete_user(uuid) owner to auth_holder;

comment on function auth_private.delete_user(uuid) is
  'Deletes the session''s user softly: his row stays, for the application''s rows that refer to it, and nothing personal in it (users_forget_deleted); his openids and his phone may begin anew. Raises session_not_found (WX003), user_banned (WX004).';

drop function auth_private.admin_lock_user(uuid, text);

create function auth_private.admin_lock_user(p_user_id uuid, p_reason text, is_living boolean default true) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  if coalesce(p_reason, '') !~ '\S' then
    raise exception 'A reason is missing' using errcode = 'WX001',
      hint = 'Say why, for whoever reads the audit log later.';
  end if;
  select * into v_user from auth.users u
  where u.id = p_user_id and (not is_living or u.deleted_at is null and u.merged_into is null)
  for no key update;
  if not found then
    raise exception 'There is no such user' using errcode = 'WX005',
      hint = 'auth.admin_find_user finds users by phone, id or openid.';
  end if;
  return v_user;
end
$$;

revoke all on function auth_private.admin_lock_user(uuid, text, boolean) from public;
grant execute on function auth_private.admin_lock_user(uuid, text, boolean) to auth_steward;

comment on function auth_private.admin_lock_user(uuid, text, boolean) is
  'The user, living unless is_living is false, locked for an administrator''s change. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';

create function auth.admin_ban_user(user_id uuid, until timestamptz, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_is_ban boolean := coalesce(admin_ban_user.until > now(), false);
begin
  v_user := auth_private.admin_lock_user(admin_ban_user.user_id, admin_ban_user.reason);
  if not v_is_ban and coalesce(v_user.banned_until <= now(), true) then
    return v_user;
  end if;
  update auth.users u
  set banned_until = case when v_is_ban then admin_ban_user.until end, updated_at = now()
  where u.id = admin_ban_user.user_id
  returning * into v_user;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values (case when v_is_ban then 'user_banned' else 'user_unbanned' end, v_user.id, 'admin:' || session_user,
    jsonb_strip_nulls(jsonb_build_object('reason', auth_private.mask_phones_in(admin_ban_user.reason), 'until', v_user.banned_until)));
  return v_user;
end
$$;

revoke all on function auth.admin_ban_user(uuid, timestamptz, text) from public;
grant execute on function auth.admin_ban_user(uuid, timestamptz, text) to service_role;
alter function auth.admin_ban_user(uuid, timestamptz, text) owner to auth_steward;

comment on function auth.admin_ban_user(uuid, timestamptz, text) is
  'Bans a living user until then (infinity: for good), with the reason and an audit entry: his access tokens fail from the next request on, and he cannot sign in. Null or a time that is past ends a ban; his sessions go on. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';

create function auth.admin_delete_user(user_id uuid, reason text, hard boolean default false) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_is_hard boolean := coalesce(admin_delete_user.hard, false);
  v_schema text;
  v_table text;
begin
  if v_is_hard then
    -- As strong a lock as the deletion takes, at once: to make a weaker one stronger is how deadlocks come about.
    perform from auth.users u where u.id = admin_delete_user.user_id for update;
  end if;
  v_user := auth_private.admin_lock_user(admin_delete_user.user_id, admin_delete_user.reason, is_living => false);

  if v_is_hard then
    begin
      with recursive gone as (
        select v_user.id
        union
        select u.id from auth.users u join gone on u.merged_into = gone.id
      )
      delete from auth.users u using gone where u.id = gone.id;
      -- Constraints of the application that wait for the end of the transaction speak now, or nobody could name them.
      set constraints all immediate;
    exception when integrity_constraint_violation then
      get stacked diagnostics v_schema = schema_name, v_table = table_name;
      raise exception 'Rows of the table %.% refer to this user', v_schema, v_table using errcode = 'WX001',
        hint = 'Delete those first, let them follow by "on delete cascade", or delete the user softly.';
    end;
  elsif v_user.merged_into is not null then
    raise exception 'There is no such user' using errcode = 'WX005',
      hint = 'He was merged into another one; only a hard deletion takes his row.';
  elsif v_user.deleted_at is not null then
    return v_user;
  else
    update auth.users u set deleted_at = now(), updated_at = now() where u.id = v_user.id returning * into v_user;
    update auth.identities i set provider_id = 'deleted-' || i.id, unionid = null, updated_at = now()
    where i.user_id = v_user.id;
    delete from auth.sessions s where s.user_id = v_user.id;
  end if;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('user_deleted', v_user.id, 'admin:' || session_user, jsonb_build_object(
    'reason', auth_private.mask_phones_in(admin_delete_user.reason), 'hard', v_is_hard));
  if v_user.merged_into is null then
    insert into auth_private.events (type, user_id, data)
    values ('user.deleted', v_user.id, jsonb_build_object('hard', v_is_hard));
  end if;
  return v_user;
end
$$;

revoke all on function auth.admin_delete_user(uuid, text, boolean) from public;
grant execute on function auth.admin_delete_user(uuid, text, boolean) to service_role;
alter function auth.admin_delete_user(uuid, text, boolean) owner to auth_steward;

comment on function auth.admin_delete_user(uuid, text, boolean) is
  'Deletes a user, with the reason, an audit entry and the event user.deleted, and ends his sessions. Softly: the row stays, for what refers to it, without anything personal (users_forget_deleted), and phone and openids may begin anew; where that has been done already, nothing happens. With hard the row goes, whatever state it is in, with its identities, its sessions, its codes and the accounts that were merged into it. Answers the row as it is, or was. Raises validation_failed (WX001: no reason; hard, and rows of the application still refer to it) and user_not_found (WX005: unknown; merged into another one, unless hard).';

create function auth_private.admin_user_json(p_user auth.users) returns jsonb
language sql stable
return auth_private.user_json(p_user) || jsonb_strip_nulls(jsonb_build_object(
  'banned_until', case when p_user.banned_until > now() then
    least(p_user.banned_until, '9999-12-31 23:59:59+00') end,
  'deleted_at', p_user.deleted_at,
  'merged_into', p_user.merged_into
));

revoke all on function auth_private.admin_user_json(auth.users) from public;
grant execute on function auth_private.admin_user_json(auth.users) to auth_steward;

comment on function auth_private.admin_user_json(auth.users) is
  'The user as administrators see him: user_json, and banned_until, deleted_at, merged_into where he is banned (for good: until the end of 9999), deleted or merged.';

create function auth_private.admin_list_users(
  p_limit integer, p_offset integer, p_id uuid, p_phones text[], p_openid text,
  out total bigint, out users jsonb
)
language plpgsql security definer stable
set search_path = pg_catalog, pg_temp
-- One plan for all filters would read the whole table for each.
set plan_cache_mode = force_custom_plan
as $$
begin
  with found as not materialized (
    select u.id, u.created_at from auth.users u
    where u.deleted_at is null and u.merged_into is null
      and (p_id is null or u.id = p_id)
      and (p_phones is null or u.phone = any (p_phones))
      and (p_openid is null
        or u.id = any (array(select i.user_id from auth.identities i where i.provider_id = p_openid)))
  ), page as (
    -- By the index alone: what is passed over on the way to a late page is not read.
    select f.id from found f order by f.created_at desc, f.id limit p_limit offset p_offset
  )
  select (select count(*) from found),
    coalesce(jsonb_agg(auth_private.admin_user_json(u) order by u.created_at desc, u.id), '[]')
  into total, users
  from page join auth.users u on u.id = page.id;
end
$$;

revoke all on function auth_private.admin_list_users(integer, integer, uuid, text[], text) from public;
grant execute on function auth_private.admin_list_users(integer, integer, uuid, text[], text) to authenticator;
alter function auth_private.admin_list_users(integer, integer, uuid, text[], text) owner to auth_steward;

comment on function auth_private.admin_list_users(integer, integer, uuid, text[], text) is
  'A page of the living users, newest first, as an array of admin_user_json, and how many there are in all. Only those of this id, of one of these phones (E.164 with plus), with an identity of this openid; null: any.';

create function auth_private.admin_get_user(p_user_id uuid) returns jsonb
language sql security definer stable
set search_path = pg_catalog, pg_temp
begin atomic
  select auth_private.admin_user_json(u) from auth.users u where u.id = p_user_id;
end;

revoke all on function auth_private.admin_get_user(uuid) from public;
grant execute on function auth_private.admin_get_user(uuid) to authenticator;
alter function auth_private.admin_get_user(uuid) owner to auth_steward;

comment on function auth_private.admin_get_user(uuid) is
  'The user of this id, living or not, as admin_user_json. Null: there is none.';

create function auth_private.admin_update_user(p_user_id uuid, p_changes jsonb, p_reason text) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.admin_lock_user(p_user_id, p_reason);
  if p_changes ?| array['user_metadata', 'app_metadata'] then
    update auth.users u
    set user_metadata = auth_private.merge_metadata(u.user_metadata, coalesce(p_changes -> 'user_metadata', '{}')),
        app_metadata = auth_private.merge_metadata(u.app_metadata, coalesce(p_changes -> 'app_metadata', '{}')),
        updated_at = now()
    where u.id = p_user_id;
    insert into auth.audit_log_entries (action, user_id, actor, details)
    values ('user_updated', p_user_id, 'admin:' || session_user,
      jsonb_build_object('reason', auth_private.mask_phones_in(p_reason)));
  end if;
  if p_changes ? 'ban_seconds' then
    perform auth.admin_ban_user(
      p_user_id, now() + make_interval(secs => (p_changes ->> 'ban_seconds')::double precision), p_reason);
  end if;
  if p_changes ->> 'phone' <> '' then
    perform auth.admin_bind_phone(p_user_id, p_changes ->> 'phone', p_reason);
  elsif p_changes ->> 'phone' = '' then
    perform auth.admin_unbind_phone(p_user_id, p_reason);
  end if;

  select * into v_user from auth.users u where u.id = p_user_id;
  return auth_private.admin_user_json(v_user);
end
$$;

revoke all on function auth_private.admin_update_user(uuid, jsonb, text) from public;
grant execute on function auth_private.admin_update_user(uuid, jsonb, text) to authenticator;
alter function auth_private.admin_update_user(uuid, jsonb, text) owner to auth_steward;

comment on function auth_private.admin_update_user(uuid, jsonb, text) is
  'Changes a living user and answers him as admin_user_json. p_changes: {phone (E.164 with plus; empty: none), user_metadata, app_metadata (merged, merge_metadata), ban_seconds (from now; 0: not banned)}; what is not in it stays. All or nothing. Raises validation_failed (WX001), user_not_found (WX005), phone_exists (WX006).';

create function auth_private.admin_create_user(p_user_id uuid, p_changes jsonb, p_reason text) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_user_id uuid := coalesce(p_user_id, gen_random_uuid());
begin
  insert into auth.users (id) values (v_user_id) on conflict (id) do nothing;
  if not found then
    raise exception 'There is, or was, a user with this id' using errcode = 'WX001';
  end if;
  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('user_created', v_user_id, 'admin:' || session_user,
    jsonb_build_object('reason', auth_private.mask_phones_in(p_reason)));
  insert into auth_private.events (type, user_id, data)
  values ('user.created', v_user_id, '{"provider": null}');
  return auth_private.admin_update_user(v_user_id, p_changes, p_reason);
end
$$;

revoke all on function auth_private.admin_create_user(uuid, jsonb, text) from public;
grant execute on function auth_private.admin_create_user(uuid, jsonb, text) to authenticator;
alter function auth_private.admin_create_user(uuid, jsonb, text) owner to auth_steward;

comment on function auth_private.admin_create_user(uuid, jsonb, text) is
  'Makes a user who has no WeChat identity yet (p_user_id null: with an id of ours), with the p_changes of admin_update_user, and answers him as admin_user_json. Raises validation_failed (WX001: the id is taken), phone_exists (WX006).';

create function auth_private.admin_delete_user(p_user_id uuid, p_reason text, p_hard boolean) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
-- Shorter than the service waits: a deletion that it gave up must not be done after all.
set lock_timeout = '2s'
as $$
begin
  return auth_private.admin_user_json(auth.admin_delete_user(p_user_id, p_reason, p_hard));
end
$$;

revoke all on function auth_private.admin_delete_user(uuid, text, boolean) from public;
grant execute on function auth_private.admin_delete_user(uuid, text, boolean) to authenticator;
alter function auth_private.admin_delete_user(uuid, text, boolean) owner to auth_steward;

comment on function auth_private.admin_delete_user(uuid, text, boolean) is
  'auth.admin_delete_user for the web service, which reaches nothing in the schema auth: the user as he is, or was, as admin_user_json.';

create function auth_private.admin_list_sessions(p_user_id uuid) returns jsonb
language plpgsql security definer stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from auth.users u where u.id = p_user_id) then
    raise exception 'There is no such user' using errcode = 'WX005';
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', s.id, 'user_id', s.user_id, 'created_at', s.created_at, 'refreshed_at', s.refreshed_at
    ) order by s.created_at desc, s.id), '[]')
    from (
      select * from auth.sessions s where s.user_id = p_user_id order by s.created_at desc, s.id limit 1000
    ) s
  );
end
$$;

revoke all on function auth_private.admin_list_sessions(uuid) from public;
grant execute on function auth_private.admin_list_sessions(uuid) to authenticator;
alter function auth_private.admin_list_sessions(uuid) owner to auth_steward;

comment on function auth_private.admin_list_sessions(uuid) is
  'The living sessions of a user, newest first, at most 1000: an array of {id, user_id, created_at, refreshed_at}. Raises user_not_found (WX005).';

create function auth_private.admin_end_sessions(p_user_id uuid, p_session_id uuid, p_reason text) returns integer
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_ended integer;
begin
  perform auth_private.admin_lock_user(p_user_id, p_reason);
  delete from auth.sessions s where s.user_id = p_user_id and (p_session_id is null or s.id = p_session_id);
  get diagnostics v_ended = row_count;
  if v_ended > 0 then
    insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
    values ('sessions_ended', p_user_id, 'admin:' || session_user, p_session_id, jsonb_build_object(
      'reason', auth_private.mask_phones_in(p_reason), 'sessions', v_ended));
  end if;
  return v_ended;
end
$$;

revoke all on function auth_private.admin_end_sessions(uuid, uuid, text) from public;
grant execute on function auth_private.admin_end_sessions(uuid, uuid, text) to authenticator;
alter function auth_private.admin_end_sessions(uuid, uuid, text) owner to auth_steward;

comment on function auth_private.admin_end_sessions(uuid, uuid, text) is
  'Ends a session of a living user, or with p_session_id null all of them, and answers how many. Raises validation_failed (WX001: no reason), user_not_found (WX005).';

create function auth_private.admin_list_audit(
  p_limit integer, p_offset integer, p_user_id uuid, p_action text,
  out total bigint, out entries jsonb
)
language plpgsql security definer stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
  -- The log only grows: counting all of it would some day take longer than anybody waits.
  select count(*) into total from (
    select from auth.audit_log_entries a
    where (p_user_id is null or a.user_id = p_user_id) and (p_action is null or a.action = p_action)
    limit p_offset + 100000
  ) counted;
  -- By an index alone, as admin_list_users.
  with page as (
    select a.id from auth.audit_log_entries a
    where (p_user_id is null or a.user_id = p_user_id) and (p_action is null or a.action = p_action)
    order by a.id desc
    limit p_limit offset p_offset
  )
  select coalesce(jsonb_agg(to_jsonb(a) order by a.id desc), '[]') into entries
  from page join auth.audit_log_entries a on a.id = page.id;
end
$$;

revoke all on function auth_private.admin_list_audit(integer, integer, uuid, text) from public;
grant execute on function auth_private.admin_list_audit(integer, integer, uuid, text) to authenticator;
alter function auth_private.admin_list_audit(integer, integer, uuid, text) owner to auth_steward;

comment on function auth_private.admin_list_audit(integer, integer, uuid, text) is
  'A page of the audit log, newest first, as an array of the rows of auth.audit_log_entries, and how many there are in all, counted up to 100,000 beyond the page''s beginning. Only those of this user, of this action; null: any.';

revoke create on schema auth, auth_private from auth_holder, auth_claims, auth_keeper, auth_signer, auth_steward;
