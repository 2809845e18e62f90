create function auth_private.relay_events(p_limit integer) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_moved integer;
  v_specs graphile_worker.job_spec[];
begin
  -- One at a time, or the later events of a user could be seen before the earlier ones.
  if not pg_try_advisory_xact_lock(913049, 1) then
    return 0;
  end if;

  -- "for update skip locked", never "id > last": ids are given before the commit, so a smaller one may appear later. Of one
  -- user it may not: whoever writes an event about him holds his row until the commit. An event that somebody else has
  -- locked is passed over, and with it all others about that user.
  with batch as materialized (
    select e.id, e.type, e.user_id from auth_private.events e where e.relayed_at is null
    order by e.id limit p_limit for update skip locked
  ), passed_over as (
    select e.user_id from auth_private.events e
    where e.relayed_at is null and e.id < (select max(b.id) from batch b) and e.id not in (select b.id from batch b)
  ), relayed as (
    update auth_private.events e set relayed_at = now() from batch b
    where e.id = b.id and b.user_id not in (select p.user_id from passed_over p)
    returning e.id, e.type, e.user_id
  ), delivered as (
    insert into auth_private.deliveries (webhook_id, event_id, user_id, due_at)
    select w.id, r.id, r.user_id, greatest(now(), (
      -- Not before those that wait already: they would only be looked at in vain.
      select d.due_at from auth_private.deliveries d
      where d.webhook_id = w.id and d.user_id = r.user_id and d.state = 'waiting' order by d.event_id desc limit 1))
    from relayed r join auth_private.webhooks w on w.events is null or r.type = any (w.events)
    order by r.id
  )
  select count(*) into v_moved from relayed;

  -- A job for every subscriber that has deliveries waiting, unless one works already or begins in time: whatever becomes
  -- of jobs, the next call mends it. A job that is late begins now: "when it was due" would put it before everybody else's.
  select array_agg(row(
    case when w.url is null then 'auth_event' else 'deliver' end, json_build_object('subscriber_id', w.id),
    'subscriber:' || w.id, next.run_at, null, 'subscriber:' || w.id, null, null)::graphile_worker.job_spec)
  into v_specs
  from auth_private.webhooks w
  cross join lateral (
    select greatest(d.due_at, now()) as run_at from auth_private.deliveries d
    where d.webhook_id = w.id and d.state = 'waiting' order by d.due_at limit 1
  ) next
  left join graphile_worker.jobs j on j.key = 'subscriber:' || w.id
  where j.id is null or j.locked_at is null and (j.attempts >= j.max_attempts or j.run_at > next.run_at);
  perform graphile_worker.add_jobs(v_specs) where v_specs is not null;

  return v_moved;
end
$$;

revoke all on function auth_private.relay_events(integer) from public;

comment on function auth_private.relay_events(integer) is
  'Makes deliveries of up to p_limit events of the outbox, one for each subscriber that wants the type, and answers of how many; and sees to it that every subscriber with deliveries waiting has a job, deliver or (without a URL) auth_event, whose payload is {subscriber_id}. Called by the worker, as the owner, again and again.';
