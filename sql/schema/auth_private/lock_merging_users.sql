create function auth_private.lock_merging_users(p_from uuid, p_into uuid, p_held uuid default null) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  perform set_config('request.merge', p_from || ',' || p_into, true);
  -- Transactions of the application in which one of the two acts: they end before the merge, or begin after it
  -- (auth_private.request_claims).
  foreach v_id in array array[least(p_from, p_into), greatest(p_from, p_into)] loop
    if p_held is null then
      perform pg_advisory_xact_lock(hashtextextended('user:' || v_id, 0));
    elsif not pg_try_advisory_xact_lock(hashtextextended('user:' || v_id, 0)) then
      raise exception 'One of the two accounts is in use' using errcode = 'lock_not_available';
    end if;
  end loop;

  -- In the order of their ids, so that merges that cross wait for one another; and no account that was merged before, as the
  -- merge of its survivor locks those in no order. Whoever holds a row already waits for none: he fails, gives it up, and comes
  -- again.
  if p_held is null then
    foreach v_id in array array[least(p_from, p_into), greatest(p_from, p_into)] loop
      -- The survivor's key stays, so rows that refer to him may be written meanwhile.
      if v_id = p_into then
        perform from auth.users u where u.id = v_id and u.merged_into is null for no key update;
      else
        perform from auth.users u where u.id = v_id and u.merged_into is null for update;
      end if;
    end loop;
  else
    perform from auth.users u where u.id = p_into and u.merged_into is null for no key update nowait;
    perform from auth.users u where u.id = p_from for update nowait;
  end if;
end
$$;

revoke all on function auth_private.lock_merging_users(uuid, uuid, uuid) from public;
grant execute on function auth_private.lock_merging_users(uuid, uuid, uuid) to auth_merger;

comment on function auth_private.lock_merging_users(uuid, uuid, uuid) is
  'Makes these two the accounts that auth_merger may change, and locks them. p_held: one of them whose row the transaction has locked already; then nothing is waited for. Raises lock_not_available (55P03).';
