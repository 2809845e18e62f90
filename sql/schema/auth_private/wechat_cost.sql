create function auth_private.wechat_cost(p_taps bigint) returns numeric
language sql immutable
return 0.03 * p_taps;

revoke all on function auth_private.wechat_cost(bigint) from public;
grant execute on function auth_private.wechat_cost(bigint) to service_role, auth_courier;

comment on function auth_private.wechat_cost(bigint) is
  'What WeChat charges for so many taps on the phone button, in CNY: 0.03 each, its price since 2023-08-28.';
