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
