create function auth.admin_merge_users(from_id uuid, into_id uuid, reason text, dry_run boolean default false)
returns table ("table" text, rows bigint)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_tables text[];
  v_rows bigint[];
begin
  perform auth_private.require_reason(admin_merge_users.reason);
  perform auth_private.lock_merging_users(from_id, into_id);
  begin
    select array_agg(m."table"), array_agg(m.rows) into v_tables, v_rows
    from auth_private.merge_users(
      from_id, into_id, 'admin:' || session_user, null, auth_private.mask_phones_in(admin_merge_users.reason)) m;
    if dry_run then
      raise exception using errcode = 'triggered_action_exception';
    end if;
  exception when triggered_action_exception then
    if not dry_run then raise; end if; -- not ours
  end;
  return query select * from unnest(v_tables, v_rows);
end
$$;

revoke all on function auth.admin_merge_users(uuid, uuid, text, boolean) from public;
grant execute on function auth.admin_merge_users(uuid, uuid, text, boolean) to service_role;
alter function auth.admin_merge_users(uuid, uuid, text, boolean) owner to auth_merger;

comment on function auth.admin_merge_users(uuid, uuid, text, boolean) is
  'Merges the account from_id into the account into_id, with the reason and an audit entry for both; with dry_run it says what would happen, and changes nothing. What a merge does, and in which order: auth_private.merge_users. Answers each table with the number of rows that go to the survivor. Raises validation_failed (WX001: no reason; one and the same; rows of a table cannot go), user_not_found (WX005: unknown, deleted, merged), identity_already_exists (WX007: both have an openid in one app).';
