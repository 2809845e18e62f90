create function auth_private.merge_metadata(p_old jsonb, p_changes jsonb) returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_new jsonb := (p_old || p_changes)
    - array(select e.key from jsonb_each(p_changes) e where e.value = 'null');
begin
  -- It stands in the access token, which stands in a header. What is too large already may become smaller.
  if octet_length(v_new::text) > greatest(4096, octet_length(p_old::text)) then
    raise exception 'The metadata would be larger than 4096 bytes' using errcode = 'WX001',
      hint = 'It is part of every access token: keep what is large in a table of your own.';
  end if;
  return v_new;
end
$$;

revoke all on function auth_private.merge_metadata(jsonb, jsonb) from public;
grant execute on function auth_private.merge_metadata(jsonb, jsonb) to auth_holder, auth_steward;

comment on function auth_private.merge_metadata(jsonb, jsonb) is
  'Metadata after a change, as GoTrue merges it: the keys of the changes replace those of the same name, null takes a key away, values are not merged. Raises validation_failed (WX001) where that is more than 4096 bytes of JSON and has grown.';
