-- Why: one row is one person. The phone is here, unique among the living, so that no function and no administrator
-- can put one number on two accounts.
create table auth.users (
  id uuid not null default gen_random_uuid(),
  phone text,
  phone_confirmed_at timestamptz,
  phone_raw jsonb,
  phone_revision integer not null default 0,
  wechat_id text,
  wechat_unionid text,
  app_metadata jsonb not null default '{}',
  user_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_sign_in_at timestamptz,
  banned_until timestamptz,
  deleted_at timestamptz,
  merged_into uuid,
  constraint users_pkey primary key (id),
  constraint users_merged_into_fkey foreign key (merged_into) references auth.users (id) on delete set null,
  constraint users_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{4,14}$'),
  constraint users_phone_has_its_time check ((phone is null) = (phone_confirmed_at is null)),
  constraint users_phone_raw_has_its_phone check (phone is not null or phone_raw is null),
  constraint users_app_metadata_is_object check (jsonb_typeof(app_metadata) = 'object'),
  constraint users_user_metadata_is_object check (jsonb_typeof(user_metadata) = 'object'),
  constraint users_merged_into_is_another check (merged_into <> id)
);

create unique index users_phone_key on auth.users (phone)
  where deleted_at is null and merged_into is null;
create unique index users_wechat_unionid_key on auth.users (wechat_unionid)
  where deleted_at is null and merged_into is null;
create index users_merged_into_idx on auth.users (merged_into) where merged_into is not null;

-- What the worker deletes, where it is told to.
create index users_deleted_at_idx on auth.users (deleted_at) where deleted_at is not null;

-- With the default, a fifth of the table, millions of rows would be dead before anybody looks. The same for its neighbours.
alter table auth.users set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

alter table auth.users enable row level security;

-- Whoever changes a phone, and however: a code that put the former phone here must not answer "bound" any more.
create function auth.users_count_phone_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.phone_revision := old.phone_revision + 1;
  return new;
end
$$;
revoke all on function auth.users_count_phone_change() from public;
comment on function auth.users_count_phone_change() is
  'Trigger function: counts phone_revision up when the phone changes.';

create trigger users_count_phone_change before update of phone on auth.users
  for each row when (new.phone is distinct from old.phone)
  execute function auth.users_count_phone_change();
comment on trigger users_count_phone_change on auth.users is
  'Makes replays of an earlier code notice that its phone has left the user.';

-- Whoever deletes softly, and however: nothing personal stays, and phone and unionid are free for somebody else.
create function auth.users_forget_deleted() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.phone := null;
  new.phone_confirmed_at := null;
  new.phone_raw := null;
  new.wechat_id := null;
  new.wechat_unionid := null;
  new.app_metadata := '{}';
  new.user_metadata := '{}';
  return new;
end
$$;
revoke all on function auth.users_forget_deleted() from public;
comment on function auth.users_forget_deleted() is
  'Trigger function: empties what is personal when deleted_at is set. The openids are in auth.identities.';

create trigger users_forget_deleted before update of deleted_at on auth.users
  for each row when (new.deleted_at is not null)
  execute function auth.users_forget_deleted();
comment on trigger users_forget_deleted on auth.users is 'Makes a soft deletion forget the person.';

-- The lists of administrators, newest first.
create index users_created_at_idx on auth.users (created_at desc, id)
  where deleted_at is null and merged_into is null;

comment on table auth.users is 'A person who uses the mini program.';
comment on column auth.users.id is 'The user''s id; `sub` of the access token.';
comment on column auth.users.phone is
  'The phone number that WeChat (or an administrator) vouches for, E.164 with plus. Null: none. Unique among living users.';
comment on column auth.users.phone_confirmed_at is 'When the phone was last confirmed. Null exactly where there is no phone.';
comment on column auth.users.phone_raw is
  'What WeChat called the phone: {phoneNumber, purePhoneNumber, countryCode}. Null where an administrator set it.';
comment on column auth.users.phone_revision is 'How often the phone has changed.';
comment on column auth.users.wechat_id is
  'The openid under which the user was first seen; once that is unlinked, another of his.';
comment on column auth.users.wechat_unionid is
  'The unionid: the same person in all apps of one WeChat Open Platform account. Null until WeChat tells it.';
comment on column auth.users.app_metadata is 'What the service knows, such as the providers: {provider, providers}. Not writable by the user.';
comment on column auth.users.user_metadata is 'What the application or the user stores here.';
comment on column auth.users.created_at is 'When the user was first seen.';
comment on column auth.users.updated_at is 'When this row last changed.';
comment on column auth.users.last_sign_in_at is 'When the user last signed in.';
comment on column auth.users.banned_until is 'Banned until then; null or past: not banned.';
comment on column auth.users.deleted_at is 'When the user was deleted; null: living.';
comment on column auth.users.merged_into is 'The user into which this one was merged; null: living.';

-- The user himself, through GraphQL: what his `User` type shows, of his own row.
grant select (id, phone, phone_confirmed_at, wechat_id, wechat_unionid, app_metadata, user_metadata,
              created_at, updated_at, last_sign_in_at) on auth.users to authenticated;
create policy users_authenticated_select_own on auth.users for select to authenticated
  using (id = (select auth.uid()) and deleted_at is null and merged_into is null);

grant select on auth.users to service_role;
create policy users_service_role_select on auth.users for select to service_role using (true);

-- What auth_signer, auth_keeper, auth_holder and auth_binder may reach stands in ../auth_signer.sql and its neighbours.
grant select, insert (id, user_metadata, app_metadata), delete on auth.users to auth_steward;
grant update (phone, phone_confirmed_at, phone_raw, user_metadata, app_metadata, banned_until, deleted_at, updated_at)
  on auth.users to auth_steward;
create policy users_steward_all on auth.users to auth_steward using (true) with check (true);
