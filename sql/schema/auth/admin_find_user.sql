create function auth.admin_find_user(p_who text) returns setof auth.users
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_who like '+%' then
    return query select * from auth.users u
      where u.phone = p_who and u.deleted_at is null and u.merged_into is null;
  elsif p_who ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    return query select * from auth.users u where u.id = p_who::uuid;
  else
    return query select u.* from auth.identities i join auth.users u on u.id = i.user_id
      where i.provider_id = p_who;
  end if;
end
$$;

revoke all on function auth.admin_find_user(text) from public;
grant execute on function auth.admin_find_user(text) to service_role;

comment on function auth.admin_find_user(text) is
  'Finds users: +… is a phone (E.164, of a living user), a uuid an id, anything else an openid. No row: there is none.';
