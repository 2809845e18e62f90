-- The functions of the message push.

grant create on schema auth_private to auth_receiver, auth_eraser;

-- The one statement of a push. Before: src/push/routes.ts. After: relay_pushes.sql, by the worker.
create function auth_private.wechat_receive_push(
  p_appid text, p_event text, p_openid text, p_revoke_info text[], p_create_time timestamptz
) returns void
language sql security definer volatile
set search_path = pg_catalog, pg_temp
begin atomic
  insert into auth_private.wechat_pushes (appid, event, openid, revoke_info, create_time)
  values (p_appid, p_event, p_openid, p_revoke_info, p_create_time)
  on conflict do nothing;
end;

revoke all on function auth_private.wechat_receive_push(text, text, text, text[], timestamptz) from public;
grant execute on function auth_private.wechat_receive_push(text, text, text, text[], timestamptz) to authenticator;
alter function auth_private.wechat_receive_push(text, text, text, text[], timestamptz) owner to auth_receiver;

comment on function auth_private.wechat_receive_push(text, text, text, text[], timestamptz) is
  'Puts a push of WeChat''s into the inbox, once however often WeChat repeats it. p_revoke_info is sorted and holds nothing twice.';

create function auth_private.relay_pushes(p_limit integer) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_specs graphile_worker.job_spec[];
begin
  with batch as (
    select p.id from auth_private.wechat_pushes p where p.relayed_at is null
    order by p.id limit p_limit for update skip locked
  ), relayed as (
    update auth_private.wechat_pushes p set relayed_at = now() from batch where p.id = batch.id returning p.id
  )
  select array_agg(row(
    'wechat_push', json_build_object('push_id', r.id), null, null, null, null, null, null
  )::graphile_worker.job_spec order by r.id)
  into v_specs from relayed r;

  perform graphile_worker.add_jobs(v_specs) where v_specs is not null;
  return coalesce(cardinality(v_specs), 0);
end
$$;

revoke all on function auth_private.relay_pushes(integer) from public;

comment on function auth_private.relay_pushes(integer) is
  'Moves up to p_limit pushes from the inbox to jobs of the task wechat_push, whose payload is {push_id}, and answers how many. Called by the worker, as the owner, again and again.';

create function auth_private.forget_phone() returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids uuid[] := auth_private.push_user_ids();
  v_had boolean := exists (
    select from auth.users u where u.id = auth_private.push_user_id() and u.phone is not null);
begin
  -- Codes that put a phone here say "bound" no longer: phone_revision counts up by trigger.
  perform set_config('request.phone_change', 'none', true);
  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, updated_at = now()
  where u.id = any (v_ids) and u.phone is not null;

  -- What was delivered, and what was not yet: who delivers reads the event at that moment.
  update auth_private.events e set data = e.data - 'phone'
  where e.user_id = any (v_ids) and e.data ? 'phone';

  -- Masked phones keep digits of the number, in members of their own and in reasons.
  update auth.audit_log_entries a
  set details = regexp_replace(
    (a.details - '{phone,former}'::text[])::text, '(\+[0-9]{1,5})?\*{4}([0-9][ .-]?){0,3}[0-9]?', '****', 'g')::jsonb
  where a.user_id = any (v_ids) and a.details::text like '%****%';

  delete from auth.phone_changes p where p.user_id = any (v_ids);
  return v_had;
end
$$;

revoke all on function auth_private.forget_phone() from public;
grant execute on function auth_private.forget_phone() to auth_eraser;

comment on function auth_private.forget_phone() is
  'Takes the phone of the push in hand from everything that has it: the user and the accounts merged into his, the history of their phones, their events, and what is left of it in the audit log. Answers whether the user had one.';

create function auth_private.forget_identity(p_push auth_private.wechat_pushes, p_user_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_identity_id uuid;
  v_unionid text;
  v_is_last boolean;
begin
  select i.id, i.unionid into v_identity_id, v_unionid from auth.identities i
  where i.provider = 'wechat_mini' and i.appid = p_push.appid and i.provider_id = p_push.openid;
  v_is_last := not exists (
    select from auth.identities i where i.user_id = p_user_id and i.id <> v_identity_id);

  if v_is_last then
    perform auth_private.forget_phone();
    update auth.users u set deleted_at = now(), updated_at = now()
    where u.id = any (auth_private.push_user_ids()) and u.deleted_at is null;
  else
    -- What the user is called by, and would be found by, comes from the identities that are left.
    update auth.users u
    set wechat_id = case when u.wechat_id = p_push.openid then (
          select i.provider_id from auth.identities i where i.user_id = u.id and i.id <> v_identity_id
          order by i.created_at, i.id limit 1
        ) else u.wechat_id end,
        wechat_unionid = case when u.wechat_unionid = v_unionid and not exists (
          select from auth.identities i where i.user_id = u.id and i.id <> v_identity_id and i.unionid = u.wechat_unionid
        ) then null else u.wechat_unionid end,
        updated_at = now()
    where u.id = p_user_id;
  end if;
  delete from auth.sessions s where s.user_id = p_user_id;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values (case when v_is_last then 'user_deleted' else 'identity_unlinked' end, p_user_id, 'wechat',
    case when v_is_last then '{}' else jsonb_build_object('provider', 'wechat_mini', 'appid', p_push.appid) end);
  if v_is_last then
    insert into auth_private.events (type, user_id, data) values ('user.deleted', p_user_id, '{"hard": false}');
  end if;

  -- Last, as the policies know by the openid whose account this is.
  if v_is_last then
    update auth.identities i set provider_id = 'deleted-' || i.id, unionid = null, updated_at = now()
    where i.user_id = any (auth_private.push_user_ids());
  else
    delete from auth.identities i where i.id = v_identity_id;
  end if;
end
$$;

revoke all on function auth_private.forget_identity(auth_private.wechat_pushes, uuid) from public;
grant execute on function auth_private.forget_identity(auth_private.wechat_pushes, uuid) to auth_eraser;

comment on function auth_private.forget_identity(auth_private.wechat_pushes, uuid) is
  'Takes the identity of the push in hand from its user and ends his sessions; if it was his last one, deletes him softly, with what the log and the events know of his phone.';

-- What becomes of a push, in one transaction. Before: src/tasks/wechat_push.ts. Runs as auth_eraser: whatever is wrong below,
-- row-level security lets it take away from the person of this push and from nobody else.
create function auth_private.wechat_apply_push(p_push_id bigint) returns text
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_push auth_private.wechat_pushes;
  v_user_id uuid;
begin
  perform set_config('request.push_id', p_push_id::text, true);
  -- Nobody but another job of this very push wants this lock: it cannot be in the way of those who lock the user first.
  select * into v_push from auth_private.wechat_pushes p where p.id = p_push_id and p.done_at is null for update;
  if not found then
    return 'done before';
  end if;

  loop
    v_user_id := auth_private.push_user_id();
    exit when v_user_id is null;
    -- Locked: was he merged, or this openid unlinked from him, this very moment? Then it leads to somebody else.
    perform from auth.users u where u.id = v_user_id for no key update;
    exit when auth_private.push_user_id() = v_user_id;
  end loop;

  if v_user_id is not null and v_push.event <> 'user_info_modified' then
    insert into auth.audit_log_entries (action, user_id, actor, details)
    values ('authorization_revoked', v_user_id, 'wechat',
      jsonb_build_object('appid', v_push.appid, 'revoke_info', v_push.revoke_info));
    insert into auth_private.events (type, user_id, data)
    values ('authorization.revoked', v_user_id,
      jsonb_build_object('appid', v_push.appid, 'revoke_info', v_push.revoke_info));
    if v_push.event = 'user_authorization_cancellation' then
      perform auth_private.forget_identity(v_push, v_user_id);
    elsif '8' = any (v_push.revoke_info) and auth_private.forget_phone() then
      insert into auth_private.events (type, user_id) values ('phone.unbound', v_user_id);
    end if;
  end if;

  update auth_private.wechat_pushes p set done_at = now() where p.id = p_push_id;
  return case when v_user_id is null then 'nobody' else 'done' end;
end
$$;

revoke all on function auth_private.wechat_apply_push(bigint) from public;
alter function auth_private.wechat_apply_push(bigint) owner to auth_eraser;

comment on function auth_private.wechat_apply_push(bigint) is
  'Does what a push of the inbox asks for. user_authorization_revoke of 8: the phone goes, from everywhere. user_authorization_cancellation: the identity goes, and with the last one the account. Of both the audit log and subscribers hear. user_info_modified: nothing. Answers done, nobody (the openid is unknown, or its user is deleted) or done before. Called by the worker, as the owner.';

revoke create on schema auth_private from auth_receiver, auth_eraser;
