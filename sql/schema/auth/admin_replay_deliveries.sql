create function auth.admin_replay_deliveries(webhook_id uuid, delivery_ids bigint[] default null) returns integer
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_replayed integer;
begin
  perform auth_private.admin_require_webhook(admin_replay_deliveries.webhook_id);
  update auth_private.deliveries d set state = 'waiting', due_at = now(), attempts = 0
  where d.webhook_id = admin_replay_deliveries.webhook_id and d.state = 'failed'
    and (admin_replay_deliveries.delivery_ids is null or d.id = any (admin_replay_deliveries.delivery_ids));
  get diagnostics v_replayed = row_count;
  if v_replayed > 0 then
    insert into auth.audit_log_entries (action, actor, details)
    values ('deliveries_replayed', 'admin:' || session_user, jsonb_build_object(
      'webhook_id', admin_replay_deliveries.webhook_id, 'deliveries', v_replayed));
  end if;
  return v_replayed;
end
$$;

revoke all on function auth.admin_replay_deliveries(uuid, bigint[]) from public;
grant execute on function auth.admin_replay_deliveries(uuid, bigint[]) to service_role;
alter function auth.admin_replay_deliveries(uuid, bigint[]) owner to auth_herald;

comment on function auth.admin_replay_deliveries(uuid, bigint[]) is
  'Lets deliveries of a subscriber that were given up wait again, all of them or those with these ids, and answers how many: they are tried anew, those about one user in the order of the events, before those about him that wait already. Raises validation_failed (WX001: no such webhook).';
