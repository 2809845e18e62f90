-- Users who are long gone, deleted for good.

create function auth_private.delete_tombstones(p_days integer, p_limit integer) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before timestamptz := now() - make_interval(days => p_days);
  v_is_free text;
  v_ids uuid[];
  v_id uuid;
  v_deleted integer := 0;
begin
  -- One condition for each foreign key of the application's, whatever it says of deletions: those are of users that an
  -- administrator deletes, and nobody wants orders to go because time passes.
  select coalesce(string_agg(format(
    ' and not exists (select from %s r where r.%I = u.id)', c.conrelid::regclass, a.attname), ''), '')
  into v_is_free
  from pg_constraint c
  join pg_class t on t.oid = c.conrelid
  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
  where c.contype = 'f' and c.confrelid = 'auth.users'::regclass and c.conparentid = 0
    and t.relnamespace not in ('auth'::regnamespace, 'auth_private'::regnamespace);

  -- Accounts that were merged go before the one that they were merged into: to forget whom they led to would revive them.
  execute format($query$
    select array_agg(o.id) from (
      select u.id from auth.users u
      where (u.deleted_at < $1 or u.deleted_at is null and u.merged_into is not null and u.updated_at < $1)
        and not exists (select from auth.users t where t.merged_into = u.id) %s
      limit $2 for update skip locked
    ) o $query$, v_is_free)
  into v_ids using v_before, p_limit;

  -- Nobody would find out later whose they were.
  update auth_private.events e set data = e.data - 'phone' where e.user_id = any (v_ids) and e.data ? 'phone';

  begin
    delete from auth.users u where u.id = any (v_ids);
    get diagnostics v_deleted = row_count;
    set constraints all immediate;
    return v_deleted;
  exception when integrity_constraint_violation or raise_exception then
    null; -- the application began to refer to one of them, or its trigger keeps one: one by one, then
  end;
  v_deleted := 0;
  foreach v_id in array v_ids loop
    begin
      delete from auth.users u where u.id = v_id;
      set constraints all immediate;
      v_deleted := v_deleted + 1;
    exception when integrity_constraint_violation or raise_exception then
      null;
    end;
  end loop;
  return v_deleted;
end
$$;

revoke all on function auth_private.delete_tombstones(integer, integer) from public;

comment on function auth_private.delete_tombstones(integer, integer) is
  'Deletes for good up to p_limit users who were deleted softly, or merged into another, more than p_days days ago, and answers how many. Those to whom rows of the application refer stay, as does whoever others were merged into. Fails where it may not read a table that refers to users. Called by the worker, as the owner.';
