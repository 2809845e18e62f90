-- Runs as auth_claims, which may do nothing. The application's function only answers: it may not write, and the settings that it
-- changes, those of the session too, are as before when it is over, so that no later statement of the connection reads them.
create function auth_private.custom_claims(p_claims jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb;
begin
  -- By the catalogue: to_regprocedure fails where auth_claims may not use the schema.
  if not exists (
    select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname = 'custom_access_token'
      and p.pronargs = 1 and p.proargtypes[0] = 'jsonb'::regtype
  ) then
    return p_claims;
  end if;
  begin
    perform set_config('transaction_read_only', 'on', true);
    execute 'select public.custom_access_token($1)' into v_claims using p_claims;
    raise exception using errcode = 'triggered_action_exception';
  exception
    when triggered_action_exception then
      null; -- undone
    when others then
      raise exception 'public.custom_access_token failed: % (%)', sqlerrm, sqlstate
        using errcode = 'external_routine_exception';
  end;
  if jsonb_typeof(v_claims) is distinct from 'object' then
    raise exception 'public.custom_access_token answered no object' using errcode = 'external_routine_exception';
  end if;
  if octet_length(v_claims::text) > 10240 then
    raise exception 'public.custom_access_token answered more than 10240 bytes' using errcode = 'external_routine_exception';
  end if;
  return v_claims;
end
$$;

revoke all on function auth_private.custom_claims(jsonb) from public;
grant execute on function auth_private.custom_claims(jsonb) to auth_keeper;
alter function auth_private.custom_claims(jsonb) owner to auth_claims;

comment on function auth_private.custom_claims(jsonb) is
  'The claims as the application''s public.custom_access_token(jsonb) makes them, where it has defined that; as they are, otherwise. Raises 38000 where that function fails, or answers no object or more than 10240 bytes.';
