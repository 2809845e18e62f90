create function auth_private.event_types() returns text[]
language sql immutable
return array['user.created', 'user.signed_in', 'phone.bound', 'phone.unbound', 'user.merged', 'user.deleted', 'authorization.revoked',
  'wechat.budget_warning'];

revoke all on function auth_private.event_types() from public;
grant execute on function auth_private.event_types() to auth_herald;

comment on function auth_private.event_types() is
  'The types of events, as events_type_is_known has them: what a subscriber can want.';
