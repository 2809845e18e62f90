-- Before: src/metrics/database.ts. Every number is read by an index, or off a bounded number of rows: it costs the same
-- with millions of events and users.
create function auth_private.metrics(p_appids text[], p_token_kind text)
returns table (name text, labels jsonb, value double precision)
language plpgsql security definer stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant integer := 10000;
begin
  return query
  select m.name, jsonb_build_object('appid', t.appid), m.value
  from auth_private.wechat_access_tokens t
  cross join lateral (values
    ('access_token_age_seconds', extract(epoch from clock_timestamp() - t.fetched_at)::double precision),
    ('access_token_remaining_seconds',
      greatest(coalesce(extract(epoch from t.expires_at - clock_timestamp()), 0), 0)::double precision),
    ('access_token_failures', t.failures::double precision)
  ) as m (name, value)
  where t.appid = any (p_appids) and t.kind = p_token_kind and m.value is not null;

  return query
  select 'outbox_events', '{}'::jsonb, count(*)::double precision
  from (select from auth_private.events e where e.relayed_at is null limit c_most) waiting;
  return query
  select 'outbox_oldest_event_seconds', '{}'::jsonb, coalesce((
    select greatest(extract(epoch from clock_timestamp() - e.created_at), 0)
    from auth_private.events e where e.relayed_at is null order by e.id limit 1), 0)::double precision;

  return query
  select 'deliveries', jsonb_build_object('state', s.state), s.deliveries::double precision
  from (
    select count(*) filter (where d.attempts = 0), count(*) filter (where d.attempts > 0)
    from (select d.attempts from auth_private.deliveries d where d.state = 'waiting' limit c_most) d
  ) as waiting (new, retrying)
  cross join lateral (
    select count(*) from (select from auth_private.deliveries d where d.state = 'failed' limit c_most) d
  ) as failed (deliveries)
  cross join lateral (values
    ('waiting', waiting.new), ('retrying', waiting.retrying), ('failed', failed.deliveries)
  ) as s (state, deliveries);
  -- By subscriber, as the index has them.
  return query
  select 'deliveries_oldest_due_seconds', '{}'::jsonb,
    greatest(coalesce(extract(epoch from clock_timestamp() - min(due.due_at)), 0), 0)::double precision
  from auth_private.webhooks w
  cross join lateral (
    select d.due_at from auth_private.deliveries d where d.webhook_id = w.id and d.state = 'waiting'
    order by d.due_at limit 1
  ) due;

  -- A code of WeChat's lives five minutes.
  return query
  select 'ledger_claims', jsonb_build_object('state', s.state), s.claims::double precision
  from (
    select count(*) filter (where c.claimed_until > clock_timestamp()),
      count(*) filter (where c.claimed_until = '-infinity'),
      count(*) filter (where c.claimed_until <= clock_timestamp() and c.claimed_until > '-infinity')
    from (
      select c.claimed_until from auth_private.wechat_codes c
      where c.outcome is null and c.created_at > now() - interval '5 minutes' limit c_most
    ) c
  ) as claims (pending, released, lost)
  cross join lateral (values
    ('pending', claims.pending), ('released', claims.released), ('lost', claims.lost)
  ) as s (state, claims);

  -- The view is graphile-worker's, and so is what becomes of it and of rights on it in its next version: then there are no
  -- numbers of jobs, and all others all the same.
  begin
    return query
    select m.name, m.labels, m.value
    from (
      select count(*) filter (where j.is_failed),
        count(*) filter (where j.is_running),
        count(*) filter (where not j.is_failed and not j.is_running and j.run_at <= now()),
        count(*) filter (where not j.is_failed and not j.is_running and j.run_at > now()),
        min(j.run_at) filter (where not j.is_failed and not j.is_running)
      from (
        select j.run_at, j.locked_at is not null as is_running,
          j.locked_at is null and j.attempts >= j.max_attempts as is_failed
        from graphile_worker.jobs j limit c_most
      ) j
    ) as jobs (failed, running, due, scheduled, oldest)
    cross join lateral (values
      ('jobs', '{"state": "failed"}'::jsonb, jobs.failed::double precision),
      ('jobs', '{"state": "running"}', jobs.running),
      ('jobs', '{"state": "due"}', jobs.due),
      ('jobs', '{"state": "scheduled"}', jobs.scheduled),
      ('jobs_oldest_due_seconds', '{}',
        greatest(coalesce(extract(epoch from clock_timestamp() - jobs.oldest), 0), 0))
    ) as m (name, labels, value);
  exception when insufficient_privilege or undefined_table or undefined_column then
    null;
  end;
end
$$;

revoke all on function auth_private.metrics(text[], text) from public;
grant execute on function auth_private.metrics(text[], text) to authenticator;
alter function auth_private.metrics(text[], text) owner to auth_watcher;

comment on function auth_private.metrics(text[], text) is
  'What /metrics says of the database, a row a number: the name as in docs/metrics.md without its prefix, the labels, and the value (things, or seconds where the name says so). Of access tokens: those of the apps p_appids and of the kind p_token_kind. Counts go up to 10,000. Without the rows of jobs where auth_watcher may not read graphile_worker.jobs, on which migrate grants it that.';
