-- An event that is of no user. The rows there are hold by the former, narrower list; 0047 says so to PostgreSQL without
-- keeping anybody from writing meanwhile.
alter table auth_private.events
  drop constraint events_type_is_known,
  add constraint events_type_is_known check (
    type in ('user.created', 'user.signed_in', 'phone.bound', 'phone.unbound',
             'user.merged', 'user.deleted', 'authorization.revoked', 'wechat.budget_warning')) not valid;

-- Of no user, and of nothing else.
create policy events_courier_insert on auth_private.events for insert to auth_courier
  with check (type = 'wechat.budget_warning' and user_id = '00000000-0000-0000-0000-000000000000');
grant insert (type, user_id, data) on auth_private.events to auth_courier;

comment on column auth_private.events.type is
  'user.created, user.signed_in, phone.bound, phone.unbound, user.merged, user.deleted, authorization.revoked or wechat.budget_warning.';
comment on column auth_private.events.user_id is 'Whom it is about; data.user_id of the body. The nil UUID: nobody, and the body has none.';
