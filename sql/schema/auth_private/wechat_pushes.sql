-- The inbox of WeChat's message push. Why: WeChat wants its answer at once and repeats what was not answered, and taking
-- somebody's data away is work for a job. Of a push nothing is kept but what that job needs.
create table auth_private.wechat_pushes (
  id bigint generated always as identity,
  appid text not null,
  event text not null,
  openid text not null,
  revoke_info text[] not null default '{}',
  create_time timestamptz not null,
  created_at timestamptz not null default now(),
  relayed_at timestamptz,
  done_at timestamptz,
  constraint wechat_pushes_pkey primary key (id),
  constraint wechat_pushes_is_new unique (appid, openid, event, create_time, revoke_info),
  constraint wechat_pushes_event_is_known check (
    event in ('user_info_modified', 'user_authorization_revoke', 'user_authorization_cancellation')),
  constraint wechat_pushes_openid_not_empty check (openid <> '')
);

create index wechat_pushes_not_relayed_idx on auth_private.wechat_pushes (id) where relayed_at is null;
create index wechat_pushes_done_at_idx on auth_private.wechat_pushes (done_at) where done_at is not null;

alter table auth_private.wechat_pushes enable row level security;

-- Whoever receives a push reads none; whoever works reads the one that he works on.
grant insert (appid, event, openid, revoke_info, create_time) on auth_private.wechat_pushes to auth_receiver;
create policy wechat_pushes_receiver_insert on auth_private.wechat_pushes for insert to auth_receiver with check (true);
grant select, update (done_at) on auth_private.wechat_pushes to auth_eraser;
create policy wechat_pushes_eraser_select on auth_private.wechat_pushes for select to auth_eraser
  using (id = (select nullif(current_setting('request.push_id', true), '')::bigint));
create policy wechat_pushes_eraser_update on auth_private.wechat_pushes for update to auth_eraser
  using (id = (select nullif(current_setting('request.push_id', true), '')::bigint));

comment on table auth_private.wechat_pushes is
  'The inbox of WeChat''s message push: who has taken back what. WeChat''s repeats are one row.';
comment on column auth_private.wechat_pushes.id is 'In the order of writing.';
comment on column auth_private.wechat_pushes.appid is 'The mini program.';
comment on column auth_private.wechat_pushes.event is
  'user_info_modified, user_authorization_revoke or user_authorization_cancellation.';
comment on column auth_private.wechat_pushes.openid is 'Whom it is about, by his openid in that app.';
comment on column auth_private.wechat_pushes.revoke_info is
  'WeChat''s numbers of what was taken back, sorted: 8 is the phone, 6 nickname and avatar. Empty but for user_authorization_revoke.';
comment on column auth_private.wechat_pushes.create_time is 'WeChat''s CreateTime.';
comment on column auth_private.wechat_pushes.created_at is 'When it was received.';
comment on column auth_private.wechat_pushes.relayed_at is 'When it became a job; null: not yet.';
comment on column auth_private.wechat_pushes.done_at is 'When it was done, whether it led to anybody or not; null: not yet.';
