-- As whoever deletes: his policies say whose events these may be.
create function auth_private.forget_told_phones(p_user_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update auth_private.events e set data = e.data - 'phone'
  where e.user_id = any (array(select u.id from auth.users u where p_user_id in (u.id, u.merged_into))) and e.data ? 'phone';
end
$$;

revoke all on function auth_private.forget_told_phones(uuid) from public;
grant execute on function auth_private.forget_told_phones(uuid) to auth_holder, auth_steward;

comment on function auth_private.forget_told_phones(uuid) is
  'Takes the phones out of the events about a user and the accounts that were merged into his: what was told, and what has still to be.';
