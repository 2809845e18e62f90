create function auth_private.admin_delete_user(p_user_id uuid, p_reason text, p_hard boolean) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
-- Shorter than the service waits: a deletion that it gave up must not be done after all.
set lock_timeout = '2s'
as $$
begin
  return auth_private.admin_user_json(auth.admin_delete_user(p_user_id, p_reason, p_hard));
end
$$;

revoke all on function auth_private.admin_delete_user(uuid, text, boolean) from public;
grant execute on function auth_private.admin_delete_user(uuid, text, boolean) to authenticator;
alter function auth_private.admin_delete_user(uuid, text, boolean) owner to auth_steward;

comment on function auth_private.admin_delete_user(uuid, text, boolean) is
  'auth.admin_delete_user for the web service, which reaches nothing in the schema auth: the user as he is, or was, as admin_user_json.';
