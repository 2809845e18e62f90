create function auth_private.user_json(p_user auth.users) returns jsonb
language sql stable
return jsonb_build_object(
  'id', p_user.id,
  'phone', p_user.phone,
  'phone_confirmed_at', p_user.phone_confirmed_at,
  'wechat_id', p_user.wechat_id,
  'wechat_unionid', p_user.wechat_unionid,
  'app_metadata', p_user.app_metadata,
  'user_metadata', p_user.user_metadata,
  'created_at', p_user.created_at,
  'updated_at', p_user.updated_at,
  'last_sign_in_at', p_user.last_sign_in_at,
  'identities', (
    select coalesce(jsonb_agg(to_jsonb(i) order by i.created_at), '[]')
    from auth.identities i where i.user_id = p_user.id
  )
);

revoke all on function auth_private.user_json(auth.users) from public;
grant execute on function auth_private.user_json(auth.users) to auth_signer, auth_keeper, auth_holder, auth_binder, auth_steward;

comment on function auth_private.user_json(auth.users) is
  'The user as every answer of the server shows him, with his identities: an object with the columns'' names.';
