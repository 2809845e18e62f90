create function auth_private.admin_user_json(p_user auth.users) returns jsonb
language sql stable
return auth_private.user_json(p_user) || jsonb_strip_nulls(jsonb_build_object(
  'banned_until', case when p_user.banned_until > now() then
    least(p_user.banned_until, '9999-12-31 23:59:59+00') end,
  'deleted_at', p_user.deleted_at,
  'merged_into', p_user.merged_into
));

revoke all on function auth_private.admin_user_json(auth.users) from public;
grant execute on function auth_private.admin_user_json(auth.users) to auth_steward;

comment on function auth_private.admin_user_json(auth.users) is
  'The user as administrators see him: user_json, and banned_until, deleted_at, merged_into where he is banned (for good: until the end of 9999), deleted or merged.';
