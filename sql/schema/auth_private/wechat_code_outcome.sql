create function auth_private.wechat_code_outcome(p_code auth_private.wechat_codes, p_user auth.users) returns text
language sql stable
return case
  when p_code.outcome = 'wechat_code_invalid' then p_code.outcome
  when p_code.user_id <> p_user.id then 'wechat_code_used'
  when p_code.outcome = 'bound' and p_code.phone_revision <> p_user.phone_revision then 'wechat_code_used'
  else p_code.outcome
end;

revoke all on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) from public;
grant execute on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) to auth_binder;

comment on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) is
  'What a user is told who sends a code that has an outcome: the outcome, if he redeemed it and its phone has not left him since; else wechat_code_used. The codes of an account that was merged into his are his (auth_private.merge_users). That WeChat refused a code is told to anybody.';
