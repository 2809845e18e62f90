create function auth.require_mergeable(p_table oid) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from pg_policy p
    where p.polrelid = p_table and not p.polpermissive
      and (p.polroles = '{0}' or 'auth_merger'::regrole = any (p.polroles))
  ) then
    raise exception 'Restrictive policies of % would hide rows from a merge', p_table::regclass using errcode = 'WX001', table = p_table::regclass::text,
      hint = 'Name the roles whom they are for (to authenticated, anon), instead of all.';
  end if;
end
$$;

revoke all on function auth.require_mergeable(oid) from public;
grant execute on function auth.require_mergeable(oid) to service_role, auth_merger;

comment on function auth.require_mergeable(oid) is
  'Whether a merge sees all rows of two users in a registered table. Raises validation_failed (WX001) where a restrictive policy hides some.';
