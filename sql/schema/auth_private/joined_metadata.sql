create function auth_private.joined_metadata(
  p_from auth.users, p_into auth.users, out app_metadata jsonb, out user_metadata jsonb, out dropped jsonb
)
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  app_metadata := p_from.app_metadata || p_into.app_metadata;
  user_metadata := p_from.user_metadata || p_into.user_metadata;
  -- They stand in every access token (auth_private.merge_metadata).
  if octet_length(app_metadata::text) > 4096 then app_metadata := p_into.app_metadata; end if;
  if octet_length(user_metadata::text) > 4096 then user_metadata := p_into.user_metadata; end if;
  select coalesce(jsonb_agg(lost.name order by lost.name), '[]') into dropped
  from (
    select 'app_metadata.' || e.key from jsonb_each(p_from.app_metadata) e
    where joined_metadata.app_metadata -> e.key is distinct from e.value
    union all
    select 'user_metadata.' || e.key from jsonb_each(p_from.user_metadata) e
    where joined_metadata.user_metadata -> e.key is distinct from e.value
  ) lost (name);
end
$$;

revoke all on function auth_private.joined_metadata(auth.users, auth.users) from public;
grant execute on function auth_private.joined_metadata(auth.users, auth.users) to auth_merger;

comment on function auth_private.joined_metadata(auth.users, auth.users) is
  'The metadata of two accounts as one: the survivor''s keys win; his alone, where together they are more than 4096 bytes of JSON. dropped: an array of the other''s keys that are lost, such as user_metadata.nickname.';
