create function auth_private.require_reason(p_reason text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(p_reason, '') !~ '\S' then
    raise exception 'A reason is missing' using errcode = 'WX001',
      hint = 'Say why, for whoever reads the audit log later.';
  end if;
end
$$;

revoke all on function auth_private.require_reason(text) from public;
grant execute on function auth_private.require_reason(text) to auth_merger, auth_steward, auth_revealer;

comment on function auth_private.require_reason(text) is
  'Raises validation_failed (WX001) where an administrator, or support staff, gives no reason for what goes into the audit log.';
