create function auth_private.relay_events(p_limit integer) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_specs graphile_worker.job_spec[];
begin
  -- "for update skip locked", never "id > last": ids are given before the commit, so a smaller one may appear later.
  with batch as (
    select e.id from auth_private.events e where e.relayed_at is null
    order by e.id limit p_limit for update skip locked
  ), relayed as (
    update auth_private.events e set relayed_at = now() from batch where e.id = batch.id returning e.id
  )
  select array_agg(row(
    'auth_event', json_build_object('event_id', r.id), null, null, null, null, null, null
  )::graphile_worker.job_spec order by r.id)
  into v_specs from relayed r;

  perform graphile_worker.add_jobs(v_specs) where v_specs is not null;
  return coalesce(cardinality(v_specs), 0);
end
$$;

revoke all on function auth_private.relay_events(integer) from public;

comment on function auth_private.relay_events(integer) is
  'Moves up to p_limit events from the outbox to jobs of the task auth_event, whose payload is {event_id}, and answers how many. Called by the worker, as the owner, again and again.';
