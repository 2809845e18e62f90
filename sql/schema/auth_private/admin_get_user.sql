create function auth_private.admin_get_user(p_user_id uuid) returns jsonb
language sql security definer stable
set search_path = pg_catalog, pg_temp
begin atomic
  select auth_private.admin_user_json(u) from auth.users u where u.id = p_user_id;
end;

revoke all on function auth_private.admin_get_user(uuid) from public;
grant execute on function auth_private.admin_get_user(uuid) to authenticator;
alter function auth_private.admin_get_user(uuid) owner to auth_steward;

comment on function auth_private.admin_get_user(uuid) is
  'The user of this id, living or not, as admin_user_json. Null: there is none.';
