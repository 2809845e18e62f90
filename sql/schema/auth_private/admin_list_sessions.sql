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
