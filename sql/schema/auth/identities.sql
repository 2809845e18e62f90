-- Why: a person is known to WeChat by another openid in every app. One row is one openid in one app.
create table auth.identities (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  provider text not null default 'wechat_mini',
  appid text not null,
  provider_id text not null,
  unionid text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_sign_in_at timestamptz,
  constraint identities_pkey primary key (id),
  constraint identities_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint identities_provider_id_key unique (provider, appid, provider_id),
  constraint identities_one_per_app_key unique (user_id, provider, appid),
  constraint identities_provider_id_not_empty check (provider_id <> '')
);

create index identities_provider_id_idx on auth.identities (provider_id);

-- As auth.users.
alter table auth.identities set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

alter table auth.identities enable row level security;

comment on table auth.identities is 'An openid in an app, and the user to whom it belongs.';
comment on column auth.identities.id is 'The id of this row (GoTrue: identity_id).';
comment on column auth.identities.user_id is 'The user to whom this identity belongs.';
comment on column auth.identities.provider is 'wechat_mini: a WeChat mini program.';
comment on column auth.identities.appid is 'The mini program''s appid.';
comment on column auth.identities.provider_id is 'The openid (GoTrue: id).';
comment on column auth.identities.unionid is 'The unionid that WeChat told with this openid. Null until it does.';
comment on column auth.identities.created_at is 'When this openid was first seen.';
comment on column auth.identities.updated_at is 'When this row last changed.';
comment on column auth.identities.last_sign_in_at is 'When somebody last signed in with this openid.';

grant select on auth.identities to service_role, auth_steward;
create policy identities_service_role_select on auth.identities for select to service_role using (true);
grant update (provider_id, unionid, updated_at) on auth.identities to auth_steward;
create policy identities_steward_select on auth.identities for select to auth_steward using (true);
create policy identities_steward_update on auth.identities for update to auth_steward
  using (true) with check (provider_id = 'deleted-' || id and unionid is null);
