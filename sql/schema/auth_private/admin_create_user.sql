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
