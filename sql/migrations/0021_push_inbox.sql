-- WeChat's message push: the duties auth_receiver and auth_eraser, and the inbox. The files up to 0027_push.sql are one change.

do $$
declare
  v_role text;
  v_has_options boolean := current_setting('server_version_num')::integer >= 160000;
begin
  foreach v_role in array array['auth_receiver', 'auth_eraser'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin noinherit', v_role);
      exception when duplicate_object or unique_violation then
        null; -- another database of this cluster is being migrated at this moment
      end;
    end if;
    begin
      if v_has_options then
        if not (pg_has_role(current_user, v_role, 'usage') and pg_has_role(current_user, v_role, 'set')) then
          execute format('grant %I to %I with inherit true, set true', v_role, current_user);
        end if;
      elsif not pg_has_role(current_user, v_role, 'usage') then
        execute format('grant %I to %I', v_role, current_user);
      end if;
    exception when insufficient_privilege then
      raise exception 'The login % may not grant the role %', current_user, v_role
        using errcode = 'insufficient_privilege',
          hint = format('The role belongs to another login. Let that one, or a superuser, run: grant %I to %I with admin option',
            v_role, current_user);
    end;
  end loop;
end
$$;

grant usage on schema auth to auth_eraser;
grant usage on schema auth_private to auth_receiver, auth_eraser;

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

grant insert (action, user_id, actor, session_id, details) on auth.audit_log_entries to auth_eraser;
grant insert (type, user_id, data) on auth_private.events to auth_eraser;
grant select (id, phone, wechat_id, wechat_unionid, deleted_at, merged_into),
  update (phone, phone_confirmed_at, phone_raw, wechat_id, wechat_unionid, updated_at, deleted_at) on auth.users to auth_eraser;
grant select (id, user_id, provider, appid, provider_id, unionid, created_at),
  update (provider_id, unionid, updated_at), delete on auth.identities to auth_eraser;
grant select (user_id), delete on auth.sessions to auth_eraser;
grant select (user_id, details), update (details) on auth.audit_log_entries to auth_eraser;
grant select (user_id, data), update (data) on auth_private.events to auth_eraser;

comment on table auth.audit_log_entries is 'What happened to accounts: appended to, and changed only where a person takes his phone back, whose digits go.';
comment on column auth.audit_log_entries.action is
  'user_signed_up, user_signed_in, user_signed_out, session_expired, refresh_token_reused, sessions_ended; user_created, user_imported, user_updated, user_banned, user_unbanned, user_merged, user_deleted; identity_linked, identity_unlinked; phone_bound, phone_refused, phone_unbound; authorization_revoked; webhook_added, webhook_removed, deliveries_replayed.';
comment on column auth.audit_log_entries.actor is 'user; admin:<database login> for the functions of administrators; wechat for its message push.';

create function auth_private.push_user_id() returns uuid
language sql stable
return (
  select i.user_id from auth_private.wechat_pushes p
  join auth.identities i on i.provider = 'wechat_mini' and i.appid = p.appid and i.provider_id = p.openid
  where p.id = nullif(current_setting('request.push_id', true), '')::bigint and p.done_at is null
);

revoke all on function auth_private.push_user_id() from public;
grant execute on function auth_private.push_user_id() to auth_eraser;

comment on function auth_private.push_user_id() is
  'Whom the push in hand (setting request.push_id) is about, by the inbox and the identities. Null: nobody, or it is done.';

create function auth_private.push_user_ids() returns uuid[]
language sql stable
return (
  with recursive person (id) as (
    select auth_private.push_user_id()
    union
    select u.id from auth.users u join person p on u.merged_into = p.id
  )
  select array_agg(p.id) from person p
);

revoke all on function auth_private.push_user_ids() from public;
grant execute on function auth_private.push_user_ids() to auth_eraser;

comment on function auth_private.push_user_ids() is
  'The user of push_user_id and all accounts that were merged into his: what the policies of auth_eraser compare with. Never an argument.';
