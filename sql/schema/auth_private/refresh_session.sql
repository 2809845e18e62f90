create function auth_private.refresh_session(
  p_session_id uuid, p_counter bigint, p_timebox_s integer, p_inactivity_s integer,
  out state text, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.sessions;
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  select * into v_session from auth.sessions s where s.id = p_session_id for no key update;
  if not found then
    state := 'refresh_token_not_found';
    return;
  end if;
  v_user := auth_private.enter_session(p_session_id);
  if v_session.created_at + make_interval(secs => p_timebox_s) <= now()
    or v_session.refreshed_at + make_interval(secs => p_inactivity_s) <= now() then
    state := 'session_expired';
    delete from auth.sessions s where s.id = p_session_id;
    insert into auth.audit_log_entries (action, user_id, actor, session_id)
    values ('session_expired', v_user.id, 'user', p_session_id);
    return;
  end if;

  state := 'refreshed';
  -- Ahead of the row is a token that we made before a failover lost its transaction.
  if p_counter >= v_session.refresh_counter then
    update auth.sessions s
    set refresh_counter = p_counter + 1, refreshed_at = now()
    where s.id = p_session_id;
    refresh_counter := p_counter + 1;
  -- The active token's parent (an answer that never arrived), or a race of the last seconds: the active one again.
  elsif p_counter = v_session.refresh_counter - 1
    or p_counter < v_session.refresh_counter and v_session.refreshed_at > now() - interval '10 seconds' then
    refresh_counter := v_session.refresh_counter;
  else
    state := 'refresh_token_already_used';
    delete from auth.sessions s where s.id = p_session_id;
    insert into auth.audit_log_entries (action, user_id, actor, session_id)
    values ('refresh_token_reused', v_user.id, 'user', p_session_id);
    return;
  end if;
  signed_in_at := v_session.created_at;
  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.refresh_session(uuid, bigint, integer, integer) from public;
grant execute on function auth_private.refresh_session(uuid, bigint, integer, integer) to authenticator;
alter function auth_private.refresh_session(uuid, bigint, integer, integer) owner to auth_keeper;

comment on function auth_private.refresh_session(uuid, bigint, integer, integer) is
  'Rotates a refresh token whose HMAC the server has checked. state refreshed: refresh_counter is that of the token to hand out, signed_in_at when the session began; the active token''s parent, and any earlier one within 10 seconds, get the active one again (GoTrue). state refresh_token_not_found: the session has ended. state session_expired: it is older than p_timebox_s seconds, or was not refreshed for p_inactivity_s (null: no such limit), and is ended. state refresh_token_already_used: any other reuse; the session is ended. Raises user_banned (WX004).';
