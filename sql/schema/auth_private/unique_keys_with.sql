create function auth_private.unique_keys_with(
  p_table regclass, p_column name, out expressions text, out comparison text, out predicate text
) returns setof record
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
  select
    string_agg(format('%s as "#%s"', k.expression, k.place), ', ' order by k.place) filter (where k.place is not null),
    coalesce(string_agg(
      format(case when i.indnullsnotdistinct then '"#%s" is not distinct from (%s)' else '"#%s" = (%s)' end, k.place, k.expression),
      ' and ' order by k.place) filter (where k.place is not null), 'true'),
    coalesce('(' || pg_get_expr(i.indpred, i.indrelid) || ')', 'true')
  from pg_index i
  join pg_attribute a on a.attrelid = i.indrelid and a.attname = p_column
  left join lateral (
    select p.place, pg_get_indexdef(i.indexrelid, p.place, true) as expression
    from generate_series(1, i.indnkeyatts) as p (place)
    where i.indkey[p.place - 1] <> a.attnum
  ) k on true
  where i.indrelid = p_table and i.indisunique and i.indisvalid
    and a.attnum = any ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
  group by i.indexrelid, i.indrelid, i.indpred, i.indnullsnotdistinct;
end;

revoke all on function auth_private.unique_keys_with(regclass, name) from public;
grant execute on function auth_private.unique_keys_with(regclass, name) to auth_merger;

comment on function auth_private.unique_keys_with(regclass, name) is
  'The unique indexes of which a column is part, as SQL for looking who collides: the expressions of the other parts as "#1", "#2", …, how they compare with those of another row, and the index''s predicate.';
