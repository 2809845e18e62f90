create function auth_private.request_claims(p_claims jsonb) returns text
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  -- What this transaction writes for the user a merge must find (auth_private.lock_merging_users).
  loop
    v_user := auth_private.enter_session((p_claims ->> 'session_id')::uuid);
    perform pg_advisory_xact_lock_shared(hashtextextended('user:' || v_user.id, 0));
    exit when auth_private.session_user_id() = v_user.id;
  end loop;
  return (p_claims || jsonb_build_object('sub', v_user.id))::text;
end
$$;

revoke all on function auth_private.request_claims(jsonb) from public;
grant execute on function auth_private.request_claims(jsonb) to authenticator;
alter function auth_private.request_claims(jsonb) owner to auth_keeper;

comment on function auth_private.request_claims(jsonb) is
  'The claims of a verified user token as GraphQL''s transaction sets them: sub is the user whose session this is now. Raises session_not_found (WX003) and user_banned (WX004), so that no query of an ended session runs. Until the transaction ends the user is not merged into another one.';
