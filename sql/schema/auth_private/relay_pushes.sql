create function auth_private.relay_pushes(p_limit integer) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_specs graphile_worker.job_spec[];
begin
  with batch as (
    select p.id from auth_private.wechat_pushes p where p.relayed_at is null
    order by p.id limit p_limit for update skip locked
  ), relayed as (
    update auth_private.wechat_pushes p set relayed_at = now() from batch where p.id = batch.id returning p.id
  )
  select array_agg(row(
    'wechat_push', json_build_object('push_id', r.id), null, null, null, null, null, null
  )::graphile_worker.job_spec order by r.id)
  into v_specs from relayed r;

  perform graphile_worker.add_jobs(v_specs) where v_specs is not null;
  return coalesce(cardinality(v_specs), 0);
end
$$;

revoke all on function auth_private.relay_pushes(integer) from public;

comment on function auth_private.relay_pushes(integer) is
  'Moves up to p_limit pushes from the inbox to jobs of the task wechat_push, whose payload is {push_id}, and answers how many. Called by the worker, as the owner, again and again.';
