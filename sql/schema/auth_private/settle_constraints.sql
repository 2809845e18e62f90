-- Before PostgreSQL 18 a trigger that was put off runs as whoever is current when it fires: as a duty, if a duty's function let it.
create function auth_private.settle_constraints() returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  set constraints all immediate;
end
$$;

revoke all on function auth_private.settle_constraints() from public;
grant execute on function auth_private.settle_constraints() to auth_merger, auth_steward;
alter function auth_private.settle_constraints() owner to auth_claims;

comment on function auth_private.settle_constraints() is
  'Lets what waits for the end of the transaction happen now, as a role that may do nothing. Raises what constraints and triggers of the application raise.';
