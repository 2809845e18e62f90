create function auth_private.admin_list_users(
  p_limit integer, p_offset integer, p_id uuid, p_phones text[], p_openid text,
  out total bigint, out users jsonb
)
language plpgsql security definer stable
set search_path = pg_catalog, pg_temp
-- One plan for all filters would read the whole table for each.
set plan_cache_mode = force_custom_plan
as $$
begin
  with found as not materialized (
    select u.id, u.created_at from auth.users u
    where u.deleted_at is null and u.merged_into is null
      and (p_id is null or u.id = p_id)
      and (p_phones is null or u.phone = any (p_phones))
      and (p_openid is null
        or u.id = any (array(select i.user_id from auth.identities i where i.provider_id = p_openid)))
  ), page as (
    -- By the index alone: what is passed over on the way to a late page is not read.
    select f.id from found f order by f.created_at desc, f.id limit p_limit offset p_offset
  )
  select (select count(*) from found),
    coalesce(jsonb_agg(auth_private.admin_user_json(u) order by u.created_at desc, u.id), '[]')
  into total, users
  from page join auth.users u on u.id = page.id;
end
$$;

revoke all on function auth_private.admin_list_users(integer, integer, uuid, text[], text) from public;
grant execute on function auth_private.admin_list_users(integer, integer, uuid, text[], text) to authenticator;
alter function auth_private.admin_list_users(integer, integer, uuid, text[], text) owner to auth_steward;

comment on function auth_private.admin_list_users(integer, integer, uuid, text[], text) is
  'A page of the living users, newest first, as an array of admin_user_json, and how many there are in all. Only those of this id, of one of these phones (E.164 with plus), with an identity of this openid; null: any.';
