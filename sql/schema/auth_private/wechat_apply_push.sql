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
