-- Called for each registered table by auth_private.merge_users, as auth_merger.
create function auth_private.merge_owned_rows(
  p_table regclass, p_column name, p_on_conflict text, p_from uuid, p_into uuid, out moved bigint, out dropped bigint
)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys record;
  v_has_both boolean;
  v_has_left boolean;
  v_dropped bigint;
begin
  perform auth.require_mergeable(p_table);
  if coalesce(p_on_conflict not in ('move', 'keep', 'refuse'), true) then
    raise exception 'The table % is registered without its on_conflict', p_table using errcode = 'WX001', table = p_table::text,
      hint = 'The comment of its policy said so: register it again.';
  end if;
  dropped := 0;
  if p_on_conflict = 'refuse' then
    execute format('select exists (select from %1$s where %2$I = $1) and exists (select from %1$s where %2$I = $2)', p_table, p_column)
    into v_has_both using p_from, p_into;
    if v_has_both then
      raise exception 'Both accounts have rows in the table %', p_table using errcode = 'WX001', table = p_table::text,
        hint = 'Decide which rows stay, and delete the others.';
    end if;
  elsif p_on_conflict = 'keep' then
    for v_keys in select * from auth_private.unique_keys_with(p_table, p_column) loop
      execute format(
        'with kept as (select %2$s from %1$s where %3$I = $2 and %4$s)
         delete from %1$s where %3$I = $1 and %4$s and exists (select from kept where %5$s)',
        p_table, v_keys.expressions, p_column, v_keys.predicate, v_keys.comparison)
      using p_from, p_into;
      get diagnostics v_dropped = row_count;
      dropped := dropped + v_dropped;
    end loop;
  end if;

  execute format('update %1$s set %2$I = $2 where %2$I = $1', p_table, p_column) using p_from, p_into;
  get diagnostics moved = row_count;
  -- A trigger of the application's may have had another opinion.
  execute format('select exists (select from %s where %I = $1)', p_table, p_column) into v_has_left using p_from;
  if v_has_left then
    raise exception 'Rows of the table % would stay behind', p_table using errcode = 'WX001', table = p_table::text;
  end if;
exception
  when unique_violation or exclusion_violation then
    raise exception 'Rows of the table % collide with rows of the survivor', p_table using errcode = 'WX001', table = p_table::text,
      hint = 'Delete what is there twice; or register the table with on_conflict => ''keep'', if the survivor''s rows may win.';
  when others then
    if auth_private.is_passing(sqlstate) or sqlstate like 'WX%' then raise; end if;
    raise exception 'Rows of the table % cannot be moved: % (%)', p_table, auth_private.mask_phones_in(sqlerrm), sqlstate
      using errcode = 'WX001', table = p_table::text;
end
$$;

revoke all on function auth_private.merge_owned_rows(regclass, name, text, uuid, uuid) from public;
grant execute on function auth_private.merge_owned_rows(regclass, name, text, uuid, uuid) to auth_merger;

comment on function auth_private.merge_owned_rows(regclass, name, text, uuid, uuid) is
  'Gives one user''s rows of a registered table to another one, as its on_conflict says (auth.admin_register_owned_table), and answers how many were moved, and how many of on_conflict keep were dropped. Raises validation_failed (WX001, with the table) where that cannot be.';
