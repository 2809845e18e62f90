create function auth.admin_remove_webhook(webhook_id uuid) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_url text;
begin
  perform auth_private.admin_require_webhook(admin_remove_webhook.webhook_id);
  delete from auth_private.webhooks w where w.id = admin_remove_webhook.webhook_id returning w.url into v_url;
  insert into auth.audit_log_entries (action, actor, details)
  values ('webhook_removed', 'admin:' || session_user, jsonb_strip_nulls(jsonb_build_object(
    'webhook_id', admin_remove_webhook.webhook_id, 'origin', substring(v_url from '^[a-zA-Z]+://[^/?]+'))));
end
$$;

revoke all on function auth.admin_remove_webhook(uuid) from public;
grant execute on function auth.admin_remove_webhook(uuid) to service_role;
alter function auth.admin_remove_webhook(uuid) owner to auth_herald;

comment on function auth.admin_remove_webhook(uuid) is
  'Takes a subscriber away, with all its deliveries. Requests that are on their way are not called back. Raises validation_failed (WX001: no such webhook).';
