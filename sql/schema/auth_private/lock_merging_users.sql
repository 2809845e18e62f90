create function auth_private.lock_merging_users(p_from uuid, p_into uuid, p_is_held boolean default false) returns void
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
    if not p_is_held then
      perform pg_advisory_xact_lock(hashtextextended('user:' || v_id, 0));
    elsif not pg_try_advisory_xact_lock(hashtextextended('user:' || v_id, 0)) then
      raise exception 'One of the two accounts is in use' using errcode = 'lock_not_available';
    end if;
  end loop;

  -- In the order of their ids, so that merges that cross wait for one another; and no account that was merged before, as the
  -- merge of its survivor locks those in no order. Whoever holds a row already waits for none: he fails, gives it up, and comes
  -- again.
  if not p_is_held then
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

revoke all on function auth_private.lock_merging_users(uuid, uuid, boolean) from public;
grant execute on function auth_private.lock_merging_users(uuid, uuid, boolean) to auth_merger;

comment on function auth_private.lock_merging_users(uuid, uuid, boolean) is
  'Makes these two the accounts that auth_merger may change, and locks them. p_is_held: the transaction has locked the row of one of them already; then nothing is waited for. Raises lock_not_available (55P03).';
