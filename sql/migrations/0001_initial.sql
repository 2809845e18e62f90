-- The first schema, as sql/schema/ built it then. Frozen: databases have run it.

-- schema/roles.sql

-- Roles. Created where missing; an existing role keeps its attributes and its password: they belong to whoever
-- runs this cluster. `authenticator` gets a password (or a login that is its member) from the operator.
--
-- Callers, chosen per request from the verified token:
--   anon, authenticated, service_role
-- The web service's login. It inherits nothing; it may become a caller, and it alone may execute the functions of
-- `auth_private` that believe what WeChat said:
--   authenticator
-- Duties. Each owns the SECURITY DEFINER functions of one duty and nothing else, and has exactly the columns and
-- policies that the duty needs, so that row-level security holds inside those functions too:
--   auth_signer   signing in: users, identities and sessions of the openid that WeChat vouched for
--   auth_keeper   sessions: checking, refreshing and ending them
--   auth_binder   codes and phones of the session's own user
--   auth_steward  the functions of administrators
--   auth_courier  WeChat's access tokens
do $$
declare
  v_role text;
  -- Since 16 a membership says for itself whether it inherits; before, the member does.
  v_has_options boolean := current_setting('server_version_num')::integer >= 160000;
begin
  foreach v_role in array array[
    'anon', 'authenticated', 'service_role', 'authenticator',
    'auth_signer', 'auth_keeper', 'auth_binder', 'auth_steward', 'auth_courier'
  ] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      begin
        execute format('create role %I %s noinherit', v_role,
          case v_role when 'authenticator' then 'login' else 'nologin' end);
      exception when duplicate_object or unique_violation then
        null; -- another database of this cluster is being migrated at this moment
      end;
    end if;
  end loop;
  begin
    -- The migrating login hands functions over to the duties and replaces them later: it must be able to become each.
    foreach v_role in array array['auth_signer', 'auth_keeper', 'auth_binder', 'auth_steward', 'auth_courier'] loop
      if v_has_options then
        if not (pg_has_role(current_user, v_role, 'usage') and pg_has_role(current_user, v_role, 'set')) then
          execute format('grant %I to %I with inherit true, set true', v_role, current_user);
        end if;
      elsif not pg_has_role(current_user, v_role, 'usage') then
        execute format('grant %I to %I', v_role, current_user);
      end if;
    end loop;
    foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
      if not pg_has_role('authenticator', v_role, 'member') then
        execute format('grant %I to authenticator %s', v_role,
          case when v_has_options then 'with inherit false, set true' end);
      end if;
    end loop;
  exception when insufficient_privilege then
    raise exception 'The login % may not grant the role %', current_user, v_role
      using errcode = 'insufficient_privilege',
        hint = format('The role belongs to another login. Let that one, or a superuser, run: grant %I to %I with admin option',
          v_role, current_user);
  end;
end
$$;

-- schema/schemas.sql

-- Schemas. `auth` is what applications and administrators see; `auth_private` holds what only the server calls.

create schema auth;
comment on schema auth is
  'Users, identities and sessions of the mini program, and the functions of administrators.';

create schema auth_private;
comment on schema auth_private is
  'What only the server may call or read: codes, events, WeChat''s access tokens, and the functions that believe WeChat.';

grant usage on schema auth to anon, authenticated, service_role, authenticator;
grant usage on schema auth, auth_private to auth_signer, auth_keeper, auth_binder, auth_steward, auth_courier;
grant usage on schema auth_private to authenticator;

-- A definer function changes hands only if its new owner may create in the schema. Taken back in schema_end.sql.
grant create on schema auth, auth_private to auth_signer, auth_keeper, auth_binder, auth_steward, auth_courier;

-- schema/auth_private/migrations.sql

create table auth_private.migrations (
  version integer not null,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now(),
  constraint migrations_pkey primary key (version)
);

alter table auth_private.migrations enable row level security;
grant select on auth_private.migrations to authenticator;
create policy migrations_authenticator_select on auth_private.migrations for select to authenticator using (true);

comment on table auth_private.migrations is 'Which frozen migrations this database has, by number and hash.';
comment on column auth_private.migrations.version is 'The number in the file''s name.';
comment on column auth_private.migrations.name is 'The file''s name.';
comment on column auth_private.migrations.sha256 is 'SHA-256 of the file, hexadecimal: a frozen file never changes.';
comment on column auth_private.migrations.applied_at is 'When it was applied.';

-- schema/auth/jwt.sql

create function auth.jwt() returns jsonb
language sql stable
return nullif(current_setting('request.jwt.claims', true), '')::jsonb;

revoke all on function auth.jwt() from public;
grant execute on function auth.jwt() to
  anon, authenticated, service_role, auth_signer, auth_keeper, auth_binder, auth_steward;

comment on function auth.jwt() is
  'The verified claims of the caller''s token, null where there is none. In a transaction of the server only: setting request.jwt.claims.';

-- schema/auth/uid.sql

-- No SET clause, so that it is inlined; in policies write (select auth.uid()), which is evaluated once a statement.
create function auth.uid() returns uuid
language sql stable
return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;

revoke all on function auth.uid() from public;
grant execute on function auth.uid() to
  anon, authenticated, service_role, auth_signer, auth_keeper, auth_binder, auth_steward;

comment on function auth.uid() is
  'The id of the calling user, null for anon. It is the user whose session this is now: after a merge, the survivor.';

-- schema/auth/role.sql

create function auth.role() returns text
language sql stable
return nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role';

revoke all on function auth.role() from public;
grant execute on function auth.role() to
  anon, authenticated, service_role, auth_signer, auth_keeper, auth_binder, auth_steward;

comment on function auth.role() is
  'The role claim of the caller''s token: anon, authenticated or service_role. Null outside a request.';

-- schema/auth/users.sql

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

comment on table auth.users is 'A person who uses the mini program.';
comment on column auth.users.id is 'The user''s id; `sub` of the access token.';
comment on column auth.users.phone is
  'The phone number that WeChat (or an administrator) vouches for, E.164 with plus. Null: none. Unique among living users.';
comment on column auth.users.phone_confirmed_at is 'When the phone was last confirmed. Null exactly where there is no phone.';
comment on column auth.users.phone_raw is
  'What WeChat called the phone: {phoneNumber, purePhoneNumber, countryCode}. Null where an administrator set it.';
comment on column auth.users.phone_revision is 'How often the phone has changed.';
comment on column auth.users.wechat_id is 'The openid under which the user was first seen.';
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

-- What auth_signer, auth_keeper and auth_binder may reach stands in ../auth_signer.sql and its neighbours.
grant select on auth.users to auth_steward;
grant update (phone, phone_confirmed_at, phone_raw, updated_at) on auth.users to auth_steward;
create policy users_steward_all on auth.users to auth_steward using (true) with check (true);

-- schema/auth/identities.sql

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
create policy identities_steward_select on auth.identities for select to auth_steward using (true);

-- schema/auth/sessions.sql

-- Why: an access token is only good while its session's row is here. A refresh token is session id + counter + HMAC by
-- a key that the database does not know: there is nothing in this table that could be stolen and used.
create table auth.sessions (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  refresh_counter bigint not null default 0,
  created_at timestamptz not null default now(),
  refreshed_at timestamptz not null default now(),
  constraint sessions_pkey primary key (id),
  constraint sessions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);

create index sessions_user_id_idx on auth.sessions (user_id);

alter table auth.sessions enable row level security;

comment on table auth.sessions is 'A sign-in that has not ended. Ending a session deletes its row.';
comment on column auth.sessions.id is 'The session''s id; `session_id` of the access token.';
comment on column auth.sessions.user_id is 'Whose session it is now. A merge changes it; the access token''s `sub` follows at the next refresh.';
comment on column auth.sessions.refresh_counter is 'The counter in the refresh token that is good now.';
comment on column auth.sessions.created_at is 'When the user signed in.';
comment on column auth.sessions.refreshed_at is 'When the refresh token was last rotated.';

grant select on auth.sessions to service_role;
create policy sessions_service_role_select on auth.sessions for select to service_role using (true);

-- schema/auth/audit_log_entries.sql

-- Why: who did what to whose account, and why, after the account itself is gone. No foreign key, no full phone.
create table auth.audit_log_entries (
  id bigint generated always as identity,
  created_at timestamptz not null default now(),
  action text not null,
  user_id uuid,
  actor text not null,
  session_id uuid,
  details jsonb not null default '{}',
  constraint audit_log_entries_pkey primary key (id),
  constraint audit_log_entries_no_full_phone check (details::text !~ '\+[0-9]{7,}')
);

create index audit_log_entries_user_id_idx on auth.audit_log_entries (user_id, id);

alter table auth.audit_log_entries enable row level security;

comment on table auth.audit_log_entries is 'What happened to accounts: appended to, never changed.';
comment on column auth.audit_log_entries.id is 'In the order of writing.';
comment on column auth.audit_log_entries.created_at is 'The time of the transaction.';
comment on column auth.audit_log_entries.action is
  'user_signed_up, user_signed_in, user_signed_out, phone_bound, phone_refused, phone_unbound, refresh_token_reused.';
comment on column auth.audit_log_entries.user_id is 'Whose account it is.';
comment on column auth.audit_log_entries.actor is 'user, or admin:<database login> for the functions of administrators.';
comment on column auth.audit_log_entries.session_id is 'The session in which it happened; null for administrators.';
comment on column auth.audit_log_entries.details is 'More about it. Phones are masked: +86138****8000.';

grant insert (action, user_id, actor, session_id, details) on auth.audit_log_entries
  to auth_signer, auth_keeper, auth_binder, auth_steward;
create policy audit_log_entries_steward_insert on auth.audit_log_entries for insert to auth_steward
  with check (actor like 'admin:%');

grant select on auth.audit_log_entries to service_role;
create policy audit_log_entries_service_role_select on auth.audit_log_entries for select to service_role using (true);

-- schema/auth_private/wechat_codes.sql

-- The ledger of codes. Why: WeChat redeems a code once and charges for it; a lost answer, a double tap or another node
-- must get the outcome of that one time. A code is here before WeChat is asked (claimed, for as long as the lease runs),
-- and with its outcome afterwards. The code itself is a keyed hash; the outcome does not hold the phone.
create table auth_private.wechat_codes (
  code_hash bytea not null,
  appid text not null,
  user_id uuid not null,
  claim_id uuid not null,
  claimed_until timestamptz not null,
  outcome text,
  phone_revision integer,
  wechat_errcode integer,
  wechat_rid text,
  created_at timestamptz not null default now(),
  redeemed_at timestamptz,
  constraint wechat_codes_pkey primary key (code_hash),
  constraint wechat_codes_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint wechat_codes_hash_is_sha256 check (octet_length(code_hash) = 32),
  constraint wechat_codes_outcome_is_known check (
    outcome in ('bound', 'phone_exists', 'wechat_phone_unusable', 'wechat_code_invalid')),
  constraint wechat_codes_outcome_has_its_time check ((outcome is null) = (redeemed_at is null))
);

create index wechat_codes_user_id_idx on auth_private.wechat_codes (user_id);

alter table auth_private.wechat_codes enable row level security;

comment on table auth_private.wechat_codes is 'The ledger of phone codes: who claimed which code, and what came of it.';
comment on column auth_private.wechat_codes.code_hash is 'HMAC-SHA256 of appid and code by DATA_KEY, 32 bytes.';
comment on column auth_private.wechat_codes.appid is 'The mini program whose code it is.';
comment on column auth_private.wechat_codes.user_id is 'Who claimed it last, or redeemed it.';
comment on column auth_private.wechat_codes.claim_id is 'Which request holds the claim.';
comment on column auth_private.wechat_codes.claimed_until is 'The end of the lease; afterwards, without an outcome, anybody may claim it again.';
comment on column auth_private.wechat_codes.outcome is
  'Null: WeChat has not answered. Else bound, phone_exists, wechat_phone_unusable or wechat_code_invalid.';
comment on column auth_private.wechat_codes.phone_revision is
  'The user''s phone_revision when the code bound its phone: another one now means that this phone has left.';
comment on column auth_private.wechat_codes.wechat_errcode is 'WeChat''s errcode, where the outcome is its error.';
comment on column auth_private.wechat_codes.wechat_rid is 'WeChat''s rid of that answer.';
comment on column auth_private.wechat_codes.created_at is 'When the code was first seen.';
comment on column auth_private.wechat_codes.redeemed_at is 'When the outcome was written.';

-- schema/auth_private/events.sql

-- The outbox. Why a table and not graphile_worker.add_job: add_job notifies, and NOTIFY serialises all commits of the
-- database. An event is a row of the transaction it tells of; the worker's relay moves rows to jobs in batches.
create table auth_private.events (
  id bigint generated always as identity,
  type text not null,
  user_id uuid not null,
  data jsonb not null default '{}',
  created_at timestamptz not null default now(),
  relayed_at timestamptz,
  constraint events_pkey primary key (id),
  constraint events_type_is_known check (
    type in ('user.created', 'user.signed_in', 'phone.bound', 'phone.unbound',
             'user.merged', 'user.deleted', 'authorization.revoked'))
);

create index events_not_relayed_idx on auth_private.events (id) where relayed_at is null;

alter table auth_private.events enable row level security;

grant insert (type, user_id, data) on auth_private.events to auth_signer, auth_binder, auth_steward;
create policy events_steward_insert on auth_private.events for insert to auth_steward with check (true);

comment on table auth_private.events is 'The outbox: what subscribers are told, written in the transaction it tells of.';
comment on column auth_private.events.id is 'In the order of writing; not of committing.';
comment on column auth_private.events.type is
  'user.created, user.signed_in, phone.bound, phone.unbound, user.merged, user.deleted or authorization.revoked.';
comment on column auth_private.events.user_id is 'Whom it is about; data.user_id of the body.';
comment on column auth_private.events.data is 'The rest of the body''s data; phones are E.164 with plus.';
comment on column auth_private.events.created_at is 'When it happened; timestamp of the body.';
comment on column auth_private.events.relayed_at is 'When it became a job; null: not yet.';

-- schema/auth_private/wechat_access_tokens.sql

-- Why: WeChat knows one access token per app (a new one ends the old one), so all nodes share the one in this row.
create table auth_private.wechat_access_tokens (
  appid text not null,
  kind text not null,
  access_token text,
  expires_at timestamptz,
  fetched_at timestamptz,
  fetch_id uuid,
  fetching_until timestamptz,
  constraint wechat_access_tokens_pkey primary key (appid, kind),
  constraint wechat_access_tokens_kind_is_known check (kind in ('stable', 'legacy')),
  constraint wechat_access_tokens_token_has_its_end check ((access_token is null) = (expires_at is null))
);

alter table auth_private.wechat_access_tokens enable row level security;

grant select, insert, update on auth_private.wechat_access_tokens to auth_courier;
create policy wechat_access_tokens_courier_all on auth_private.wechat_access_tokens to auth_courier
  using (true) with check (true);

comment on table auth_private.wechat_access_tokens is 'WeChat''s access token per app and kind, shared by all nodes.';
comment on column auth_private.wechat_access_tokens.appid is 'The mini program.';
comment on column auth_private.wechat_access_tokens.kind is
  'stable: of cgi-bin/stable_token; legacy: of cgi-bin/token. WeChat keeps the two apart.';
comment on column auth_private.wechat_access_tokens.access_token is 'The token; null before the first fetch.';
comment on column auth_private.wechat_access_tokens.expires_at is 'When WeChat stops to accept it.';
comment on column auth_private.wechat_access_tokens.fetched_at is 'When it was fetched.';
comment on column auth_private.wechat_access_tokens.fetch_id is
  'Which fetch holds the lease: a result that comes after it ran out does not count.';
comment on column auth_private.wechat_access_tokens.fetching_until is
  'One node is fetching, and has until then; null or past: nobody is.';

-- schema/auth_private/mask_phone.sql

create function auth_private.mask_phone(p_phone text) returns text
language sql immutable
return left(p_phone, least(greatest(length(p_phone) - 8, 1), 6)) || '****' || right(p_phone, least(4, length(p_phone) - 5));

revoke all on function auth_private.mask_phone(text) from public;
grant execute on function auth_private.mask_phone(text) to auth_signer, auth_keeper, auth_binder, auth_steward;

comment on function auth_private.mask_phone(text) is
  'An E.164 phone fit for logs and audit: +86138****8000. At least four digits are hidden.';

-- schema/auth_private/mask_phones_in.sql

create function auth_private.mask_phones_in(p_text text) returns text
language sql immutable
return regexp_replace(
  translate(p_text, '０１２３４５６７８９＋', '0123456789+'),
  '(?:\+(?:[0-9][ ().-]{0,3}){3,12}'
    '|1[3-9][0-9][ ().-]{0,2}[0-9]{4}[ .-]?'
    '|\(?0[1-9][0-9]{1,2}[ ().-]{1,2}[0-9]{3,4}[ .-]?'
    '|[0-9]{6,})((?:[0-9][ .-]?){3}[0-9])(?![0-9])',
  '****\1', 'g');

revoke all on function auth_private.mask_phones_in(text) from public;
grant execute on function auth_private.mask_phones_in(text) to auth_steward;

comment on function auth_private.mask_phones_in(text) is
  'Free text fit for the audit log: what looks like a phone (a plus and 7 digits, a mainland mobile or landline number, or 10 digits and more; grouped by spaces, dots, hyphens, brackets, and full-width digits too) keeps its last four digits.';

-- schema/auth_private/user_json.sql

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
grant execute on function auth_private.user_json(auth.users) to auth_signer, auth_keeper, auth_binder, auth_steward;

comment on function auth_private.user_json(auth.users) is
  'The user as every answer of the server shows him, with his identities: an object with the columns'' names.';

-- schema/auth_private/session_user_id.sql

create function auth_private.session_user_id() returns uuid
language sql stable
return (select s.user_id from auth.sessions s where s.id = (auth.jwt() ->> 'session_id')::uuid);

revoke all on function auth_private.session_user_id() from public;
grant execute on function auth_private.session_user_id() to auth_keeper, auth_binder;

comment on function auth_private.session_user_id() is
  'Whose session the verified one is, by the sessions'' table: what the policies of auth_keeper and auth_binder compare with. Never an argument.';

-- schema/auth_keeper.sql

-- The duty auth_keeper: what its functions may reach, whatever is written in them.

-- auth_keeper: the session, the other sessions of the same user (auth.uid() is read off the session's row by then),
-- and the user to look at.
grant select, delete on auth.sessions to auth_keeper;
grant update (refresh_counter, refreshed_at) on auth.sessions to auth_keeper;
create policy sessions_keeper_all on auth.sessions to auth_keeper
  using (id = (auth.jwt() ->> 'session_id')::uuid or user_id = (select auth.uid()));

grant select on auth.users to auth_keeper;
create policy users_keeper_select on auth.users for select to auth_keeper
  using (id = (select auth_private.session_user_id()));

grant select on auth.identities to auth_keeper;
create policy identities_keeper_select on auth.identities for select to auth_keeper
  using (user_id = (select auth_private.session_user_id()));

create policy audit_log_entries_keeper_insert on auth.audit_log_entries for insert to auth_keeper
  with check (user_id = (select auth.uid()) and actor = 'user');

-- schema/auth_binder.sql

-- The duty auth_binder: what its functions may reach, whatever is written in them.

-- auth_binder: the session's own row, the accounts merged into it (to recognise their codes), and of that only the phone.
grant select (id, user_id) on auth.sessions to auth_binder;
-- It may lock the session, for which PostgreSQL wants a right to update, and never update it.
grant update (id) on auth.sessions to auth_binder;
create policy sessions_binder_lock on auth.sessions for update to auth_binder
  using (id = (auth.jwt() ->> 'session_id')::uuid) with check (false);
create policy sessions_binder_select on auth.sessions for select to auth_binder
  using (id = (auth.jwt() ->> 'session_id')::uuid);

grant select on auth.users to auth_binder;
grant update (phone, phone_confirmed_at, phone_raw, updated_at) on auth.users to auth_binder;
create policy users_binder_select on auth.users for select to auth_binder
  using (id = (select auth_private.session_user_id()) or merged_into = (select auth_private.session_user_id()));
create policy users_binder_update on auth.users for update to auth_binder
  using (id = (select auth_private.session_user_id()));

grant select on auth.identities to auth_binder;
create policy identities_binder_select on auth.identities for select to auth_binder
  using (user_id = (select auth_private.session_user_id()));

grant select, insert, update on auth_private.wechat_codes to auth_binder;
create policy wechat_codes_binder_select on auth_private.wechat_codes for select to auth_binder using (true);
create policy wechat_codes_binder_insert on auth_private.wechat_codes for insert to auth_binder
  with check (user_id = (select auth_private.session_user_id()));
create policy wechat_codes_binder_update on auth_private.wechat_codes for update to auth_binder
  using (user_id = (select auth_private.session_user_id()) or outcome is null or outcome = 'wechat_code_invalid')
  -- His own code; or a claim that is given back, by whoever knows its id, without a session.
  with check (
    user_id = (select auth_private.session_user_id())
    or claim_id = (select nullif(current_setting('request.claim_id', true), '')::uuid));

create policy audit_log_entries_binder_insert on auth.audit_log_entries for insert to auth_binder
  with check (user_id = (select auth_private.session_user_id()) and actor = 'user');
create policy events_binder_insert on auth_private.events for insert to auth_binder
  with check (user_id = (select auth_private.session_user_id()));

-- schema/auth_private/enter_session.sql

create function auth_private.enter_session(p_session_id uuid) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);

  select u.* into v_user from auth.users u where u.id = (select auth_private.session_user_id());
  if not found or v_user.deleted_at is not null then
    raise exception 'This session has ended' using errcode = 'WX003', hint = 'Sign in again.';
  end if;
  if v_user.banned_until > now() then
    raise exception 'This user is banned' using errcode = 'WX004';
  end if;

  perform set_config('request.jwt.claims', jsonb_build_object(
    'session_id', p_session_id, 'sub', v_user.id, 'role', 'authenticated')::text, true);
  return v_user;
end
$$;

revoke all on function auth_private.enter_session(uuid) from public;
grant execute on function auth_private.enter_session(uuid) to auth_keeper, auth_binder;

comment on function auth_private.enter_session(uuid) is
  'Makes this session, whose token the server has verified, the caller for the rest of the transaction, and answers its user. Raises session_not_found (WX003) and user_banned (WX004).';

-- schema/auth_private/hold_session.sql

-- Why two: a reader needs to know who calls now; a writer needs that nobody ends the session, bans or deletes the user
-- before it has written. The user is locked before the session, here and everywhere.
create function auth_private.hold_session(p_session_id uuid, p_to_write boolean) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  if p_to_write then
    perform from auth.users u where u.id = (select auth_private.session_user_id()) for no key update;
  else
    perform from auth.users u where u.id = (select auth_private.session_user_id()) for key share;
  end if;
  perform from auth.sessions s where s.id = p_session_id for key share;
  return auth_private.enter_session(p_session_id);
end
$$;

revoke all on function auth_private.hold_session(uuid, boolean) from public;
grant execute on function auth_private.hold_session(uuid, boolean) to auth_binder;

comment on function auth_private.hold_session(uuid, boolean) is
  'As enter_session, and until the transaction ends the session cannot end and the user cannot go; with p_to_write nobody else can change the user either. Raises session_not_found (WX003) and user_banned (WX004).';

-- schema/auth_private/get_user.sql

create function auth_private.get_user(p_session_id uuid) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return auth_private.user_json(auth_private.enter_session(p_session_id));
end
$$;

revoke all on function auth_private.get_user(uuid) from public;
grant execute on function auth_private.get_user(uuid) to authenticator;
alter function auth_private.get_user(uuid) owner to auth_keeper;

comment on function auth_private.get_user(uuid) is
  'The session''s user as user_json. Raises session_not_found (WX003) and user_banned (WX004).';

-- schema/auth_private/request_claims.sql

create function auth_private.request_claims(p_claims jsonb) returns text
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.enter_session((p_claims ->> 'session_id')::uuid);
  return (p_claims || jsonb_build_object('sub', v_user.id))::text;
end
$$;

revoke all on function auth_private.request_claims(jsonb) from public;
grant execute on function auth_private.request_claims(jsonb) to authenticator;
alter function auth_private.request_claims(jsonb) owner to auth_keeper;

comment on function auth_private.request_claims(jsonb) is
  'The claims of a verified user token as GraphQL''s transaction sets them: sub is the user whose session this is now. Raises session_not_found (WX003) and user_banned (WX004), so that no query of an ended session runs.';

-- schema/auth_private/refresh_session.sql

create function auth_private.refresh_session(
  p_session_id uuid, p_counter bigint,
  out state text, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.sessions;
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  select * into v_session from auth.sessions s where s.id = p_session_id for no key update;
  if not found then
    state := 'refresh_token_not_found';
    return;
  end if;
  v_user := auth_private.enter_session(p_session_id);

  state := 'refreshed';
  -- Ahead of the row is a token that we made before a failover lost its transaction.
  if p_counter >= v_session.refresh_counter then
    update auth.sessions s
    set refresh_counter = p_counter + 1, refreshed_at = now()
    where s.id = p_session_id;
    refresh_counter := p_counter + 1;
  -- The active token's parent (an answer that never arrived), or a race of the last seconds: the active one again.
  elsif p_counter = v_session.refresh_counter - 1
    or p_counter < v_session.refresh_counter and v_session.refreshed_at > now() - interval '10 seconds' then
    refresh_counter := v_session.refresh_counter;
  else
    state := 'refresh_token_already_used';
    delete from auth.sessions s where s.id = p_session_id;
    insert into auth.audit_log_entries (action, user_id, actor, session_id)
    values ('refresh_token_reused', v_user.id, 'user', p_session_id);
    return;
  end if;
  signed_in_at := v_session.created_at;
  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.refresh_session(uuid, bigint) from public;
grant execute on function auth_private.refresh_session(uuid, bigint) to authenticator;
alter function auth_private.refresh_session(uuid, bigint) owner to auth_keeper;

comment on function auth_private.refresh_session(uuid, bigint) is
  'Rotates a refresh token whose HMAC the server has checked. state refreshed: refresh_counter is that of the token to hand out, signed_in_at when the session began; the active token''s parent, and any earlier one within 10 seconds, get the active one again (GoTrue). state refresh_token_not_found: the session has ended. state refresh_token_already_used: any other reuse; the session is ended. Raises user_banned (WX004).';

-- schema/auth_private/sign_out.sql

create function auth_private.sign_out(p_session_id uuid, p_scope text) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.enter_session(p_session_id);
  delete from auth.sessions s
  where s.user_id = v_user.id
    and case p_scope
      when 'global' then true
      when 'local' then s.id = p_session_id
      when 'others' then s.id <> p_session_id
    end;
  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('user_signed_out', v_user.id, 'user', p_session_id, jsonb_build_object('scope', p_scope));
end
$$;

revoke all on function auth_private.sign_out(uuid, text) from public;
grant execute on function auth_private.sign_out(uuid, text) to authenticator;
alter function auth_private.sign_out(uuid, text) owner to auth_keeper;

comment on function auth_private.sign_out(uuid, text) is
  'Ends sessions of the session''s user: p_scope global (all), local (this one) or others (all but this one). Raises session_not_found (WX003), user_banned (WX004).';

-- schema/auth_private/signing_identity.sql

create function auth_private.signing_identity() returns jsonb
language sql stable
return nullif(current_setting('request.wechat', true), '')::jsonb;

revoke all on function auth_private.signing_identity() from public;
grant execute on function auth_private.signing_identity() to auth_signer;

comment on function auth_private.signing_identity() is
  'Who is signing in, by WeChat''s word: {appid, openid, unionid}. What the policies of auth_signer compare with.';

-- schema/auth_private/signing_user_id.sql

create function auth_private.signing_user_id() returns uuid
language sql stable
return (
  select i.user_id from auth.identities i
  where i.provider = 'wechat_mini'
    and i.appid = (auth_private.signing_identity() ->> 'appid')
    and i.provider_id = (auth_private.signing_identity() ->> 'openid')
);

revoke all on function auth_private.signing_user_id() from public;
grant execute on function auth_private.signing_user_id() to auth_signer;

comment on function auth_private.signing_user_id() is
  'To whom the openid that signs in belongs; null: to nobody yet.';

-- schema/auth_signer.sql

-- The duty auth_signer: what its functions may reach, whatever is written in them.

-- auth_signer: the identity that signs in, the user to whom it belongs, or, by the same unionid, will belong.
grant select, insert (user_id, provider, appid, provider_id, unionid),
  update (unionid, last_sign_in_at, updated_at) on auth.identities to auth_signer;
create policy identities_signer_insert on auth.identities for insert to auth_signer
  with check (
    provider = 'wechat_mini'
    and appid = (select auth_private.signing_identity() ->> 'appid')
    and provider_id = (select auth_private.signing_identity() ->> 'openid')
    and unionid is not distinct from (select auth_private.signing_identity() ->> 'unionid')
    -- Only users whom auth_signer may see: the one just made, or the one of the same unionid.
    and exists (select from auth.users u where u.id = user_id));
create policy identities_signer_update on auth.identities for update to auth_signer
  using (
    appid = (select auth_private.signing_identity() ->> 'appid')
    and provider_id = (select auth_private.signing_identity() ->> 'openid'));
-- An identity names nobody to whom it does not lead: seeing the others of the same user is harmless, and cannot be
-- told here without asking this table about itself.
create policy identities_signer_select on auth.identities for select to auth_signer using (true);

grant select, insert (id, wechat_id, wechat_unionid, app_metadata),
  update (wechat_unionid, last_sign_in_at, updated_at) on auth.users to auth_signer;
create policy users_signer_select on auth.users for select to auth_signer
  using (
    id = (select auth_private.signing_user_id())
    or wechat_id = (select auth_private.signing_identity() ->> 'openid')
    or wechat_unionid = (select auth_private.signing_identity() ->> 'unionid'));
create policy users_signer_insert on auth.users for insert to auth_signer
  with check (
    wechat_id = (select auth_private.signing_identity() ->> 'openid')
    and (wechat_unionid is null or wechat_unionid = (select auth_private.signing_identity() ->> 'unionid')));
create policy users_signer_update on auth.users for update to auth_signer
  using (id = (select auth_private.signing_user_id()));

grant select, insert (user_id) on auth.sessions to auth_signer;
create policy sessions_signer_insert on auth.sessions for insert to auth_signer
  with check (user_id = (select auth_private.signing_user_id()));
create policy sessions_signer_select on auth.sessions for select to auth_signer
  using (user_id = (select auth_private.signing_user_id()));

create policy audit_log_entries_signer_insert on auth.audit_log_entries for insert to auth_signer
  with check (user_id = (select auth_private.signing_user_id()) and actor = 'user');
create policy events_signer_insert on auth_private.events for insert to auth_signer
  with check (user_id = (select auth_private.signing_user_id()));

-- schema/auth_private/wechat_sign_in.sql

-- The one statement of a sign-in. Before: src/rpc/wechat_sign_in.ts, with WeChat's answer to jscode2session.
create function auth_private.wechat_sign_in(
  p_appid text, p_openid text, p_unionid text,
  out session_id uuid, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_user_id uuid;
  v_is_new boolean := false;
begin
  perform set_config('request.wechat',
    jsonb_build_object('appid', p_appid, 'openid', p_openid, 'unionid', p_unionid)::text, true);

  loop
    v_user_id := auth_private.signing_user_id();
    select * into v_user from auth.users u where u.id = v_user_id;
    if v_user_id is null or p_unionid <> coalesce(v_user.wechat_unionid, '') then
      -- First sight, or first sight of the unionid. However many sign-ins of one person race, they pass here one by one.
      perform pg_advisory_xact_lock(hashtextextended('openid:' || p_appid || ':' || p_openid, 0));
      perform pg_advisory_xact_lock(hashtextextended('unionid:' || p_unionid, 0));
      v_user_id := auth_private.signing_user_id();
    end if;
    if v_user_id is null then
      select u.id into v_user_id from auth.users u
      where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null
        and not exists (select from auth.identities i where i.user_id = u.id and i.appid = p_appid);
      if not found then
        v_is_new := true;
        insert into auth.users (wechat_id, wechat_unionid, app_metadata)
        values (
          p_openid,
          case when not exists (
            select from auth.users u
            where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null
          ) then p_unionid end,
          '{"provider": "wechat_mini", "providers": ["wechat_mini"]}')
        returning id into v_user_id;
      end if;
      insert into auth.identities (user_id, provider, appid, provider_id, unionid)
      values (v_user_id, 'wechat_mini', p_appid, p_openid, p_unionid);
    end if;

    update auth.users u
    set last_sign_in_at = now(),
        updated_at = now(),
        -- A unionid that arrives later is noted, unless another living user has it already.
        wechat_unionid = case
          when u.wechat_unionid is null and not exists (
            select from auth.users o
            where o.wechat_unionid = p_unionid and o.deleted_at is null and o.merged_into is null
          ) then p_unionid
          else u.wechat_unionid
        end
    where u.id = v_user_id
    returning * into v_user;
    -- Not found: the user was deleted this very moment. Whoever signs in now is new.
    exit when found;
  end loop;
  if v_user.banned_until > now() or v_user.deleted_at is not null then
    raise exception 'This user is banned' using errcode = 'WX004';
  end if;
  update auth.identities i
  set last_sign_in_at = now(), updated_at = now(), unionid = coalesce(p_unionid, i.unionid)
  where i.provider = 'wechat_mini' and i.appid = p_appid and i.provider_id = p_openid;

  insert into auth.sessions as s (user_id) values (v_user_id)
  returning s.id, s.refresh_counter, s.created_at into session_id, refresh_counter, signed_in_at;

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values (case when v_is_new then 'user_signed_up' else 'user_signed_in' end, v_user_id, 'user', session_id,
    jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  if v_is_new then
    insert into auth_private.events (type, user_id, data)
    values ('user.created', v_user_id, jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  end if;
  insert into auth_private.events (type, user_id, data)
  values ('user.signed_in', v_user_id, jsonb_build_object('session_id', session_id, 'appid', p_appid));

  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_sign_in(text, text, text) from public;
grant execute on function auth_private.wechat_sign_in(text, text, text) to authenticator;
alter function auth_private.wechat_sign_in(text, text, text) owner to auth_signer;

comment on function auth_private.wechat_sign_in(text, text, text) is
  'Signs in whom WeChat vouches for (p_unionid may be null): the user is created at first sight, or found by the unionid. Answers the new session, the counter of its first refresh token, its time, and the user. Raises user_banned (WX004).';

-- schema/auth_private/wechat_code_outcome.sql

create function auth_private.wechat_code_outcome(p_code auth_private.wechat_codes, p_user auth.users) returns text
language sql stable
return case
  when p_code.outcome = 'wechat_code_invalid' then p_code.outcome
  when p_code.user_id <> p_user.id and not exists (
    select from auth.users t where t.id = p_code.user_id and t.merged_into = p_user.id
  ) then 'wechat_code_used'
  when p_code.outcome = 'bound' and p_code.phone_revision <> p_user.phone_revision then 'wechat_code_used'
  else p_code.outcome
end;

revoke all on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) from public;
grant execute on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) to auth_binder;

comment on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) is
  'What a user is told who sends a code that has an outcome: the outcome, if he redeemed it (or an account that was merged into his) and its phone has not left him since; else wechat_code_used. That WeChat refused a code is told to anybody.';

-- schema/auth_private/wechat_claim_code.sql

-- The first statement of a bind. Before: src/rpc/wechat_bind_phone.ts. After: WeChat is asked, then wechat_bind_phone.sql.
create function auth_private.wechat_claim_code(
  p_session_id uuid, p_code_hashes bytea[], p_appid text, p_claim_id uuid, p_lease_ms integer,
  out state text, out outcome text, out wechat_errcode integer, out wechat_rid text, out openid text, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_code auth_private.wechat_codes;
  v_until timestamptz := clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0);
begin
  -- A claim that a crash loses costs one more question to WeChat; it need not wait for the disk.
  perform set_config('synchronous_commit', 'off', true);
  v_user := auth_private.hold_session(p_session_id, p_to_write => false);

  loop
    select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1;
    if not found then
      insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until)
      values (p_code_hashes[1], p_appid, v_user.id, p_claim_id, v_until)
      on conflict do nothing;
    elsif v_code.outcome is not null then
      -- Read again: the bind that wrote the outcome may have changed the user after he was read above.
      v_user := auth_private.enter_session(p_session_id);
      state := 'done';
      outcome := auth_private.wechat_code_outcome(v_code, v_user);
      wechat_errcode := v_code.wechat_errcode;
      wechat_rid := v_code.wechat_rid;
      user_json := auth_private.user_json(v_user);
      return;
    elsif v_code.claimed_until > clock_timestamp() then
      state := 'pending';
      return;
    else
      update auth_private.wechat_codes c
      set user_id = v_user.id, claim_id = p_claim_id, claimed_until = v_until
      where c.code_hash = v_code.code_hash and c.claim_id = v_code.claim_id
        and c.claimed_until = v_code.claimed_until and c.outcome is null;
    end if;
    exit when found;
  end loop;

  state := 'claimed';
  select i.provider_id into openid from auth.identities i
  where i.user_id = v_user.id and i.provider = 'wechat_mini' and i.appid = p_appid;
end
$$;

revoke all on function auth_private.wechat_claim_code(uuid, bytea[], text, uuid, integer) from public;
grant execute on function auth_private.wechat_claim_code(uuid, bytea[], text, uuid, integer) to authenticator;
alter function auth_private.wechat_claim_code(uuid, bytea[], text, uuid, integer) owner to auth_binder;

comment on function auth_private.wechat_claim_code(uuid, bytea[], text, uuid, integer) is
  'Asks for a code before WeChat is asked. p_code_hashes: by the current DATA_KEY, then by old ones. state: claimed (ask WeChat within p_lease_ms milliseconds; openid is the user''s in this app), pending (another request asks: come again), done (outcome as of wechat_code_outcome, with the user as he is now). Raises session_not_found, user_banned.';

-- schema/auth_private/wechat_release_code.sql

create function auth_private.wechat_release_code(p_code_hashes bytea[], p_claim_id uuid, p_is_spent boolean) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform set_config('request.claim_id', p_claim_id::text, true);
  update auth_private.wechat_codes c
  set claimed_until = '-infinity',
      outcome = case when p_is_spent then 'wechat_code_invalid' end,
      redeemed_at = case when p_is_spent then now() end
  where c.code_hash = any (p_code_hashes) and c.claim_id = p_claim_id and c.outcome is null;
end
$$;

revoke all on function auth_private.wechat_release_code(bytea[], uuid, boolean) from public;
grant execute on function auth_private.wechat_release_code(bytea[], uuid, boolean) to authenticator;
alter function auth_private.wechat_release_code(bytea[], uuid, boolean) owner to auth_binder;

comment on function auth_private.wechat_release_code(bytea[], uuid, boolean) is
  'Gives a claim back: WeChat has said nothing about the code, which may still be good; or, with p_is_spent, WeChat has answered and there is nobody to write it for, so that whoever sends the code again is told to tap again. Needs no session, which may have ended. Nothing happens where the claim is another''s by now.';

-- schema/auth_private/wechat_bind_phone.sql

-- The second and last statement of a bind. Before: src/rpc/wechat_bind_phone.ts, with WeChat's answer. Everything that a bind writes
-- is written here, in one transaction. Runs as auth_binder: whatever is wrong below, row-level security lets it
-- change the row of the session's own user and no other.
create function auth_private.wechat_bind_phone(
  p_session_id uuid, p_code_hashes bytea[], p_claim_id uuid, p_appid text,
  p_verdict text, p_phone text, p_phone_raw jsonb, p_errcode integer, p_rid text,
  out state text, out outcome text, out wechat_errcode integer, out wechat_rid text, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
  v_code auth_private.wechat_codes;
  v_constraint text;
begin
  -- The user first, then his code: the other way round two binds of one user would deadlock.
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1 for update;
  if not found then
    -- A code that is closed for somebody else cannot be locked, and need not be: its outcome is final.
    select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1;
  end if;
  v_former := v_user.phone;

  -- Written already, by this very request before its answer was lost, or by a later claimant while this one was slow.
  -- Only "WeChat refused the code" gives way to somebody who holds the phone.
  if v_code.outcome <> 'wechat_code_invalid'
    or v_code.outcome = 'wechat_code_invalid' and p_verdict = 'wechat_code_invalid' then
    state := 'done';
    outcome := auth_private.wechat_code_outcome(v_code, v_user);
    wechat_errcode := v_code.wechat_errcode;
    wechat_rid := v_code.wechat_rid;
    user_json := auth_private.user_json(v_user);
    return;
  end if;
  -- The lease ran out and another request asks WeChat now; it may be luckier than "refused".
  if p_verdict = 'wechat_code_invalid' and v_code.outcome is null and v_code.claim_id <> p_claim_id then
    state := 'pending';
    return;
  end if;

  state := 'done';
  outcome := p_verdict;
  if p_verdict = 'phone' then
    begin
      update auth.users u
      set phone = p_phone, phone_confirmed_at = now(), phone_raw = p_phone_raw, updated_at = now()
      where u.id = v_user.id
      returning * into v_user;
      outcome := 'bound';
    exception when unique_violation then
      get stacked diagnostics v_constraint = constraint_name;
      if v_constraint is distinct from 'users_phone_key' then raise; end if;
      outcome := 'phone_exists';
    end;
  end if;

  insert into auth_private.wechat_codes as c
    (code_hash, appid, user_id, claim_id, claimed_until, outcome, phone_revision, wechat_errcode, wechat_rid, redeemed_at)
  values (
    coalesce(v_code.code_hash, p_code_hashes[1]), p_appid, v_user.id, p_claim_id, now(), wechat_bind_phone.outcome,
    case when wechat_bind_phone.outcome = 'bound' then v_user.phone_revision end, p_errcode, p_rid, now())
  on conflict (code_hash) do update
  set user_id = excluded.user_id, outcome = excluded.outcome, phone_revision = excluded.phone_revision,
      wechat_errcode = excluded.wechat_errcode, wechat_rid = excluded.wechat_rid, redeemed_at = excluded.redeemed_at;

  if outcome <> 'wechat_code_invalid' then
    insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
    values (
      case when outcome = 'bound' then 'phone_bound' else 'phone_refused' end, v_user.id, 'user', p_session_id,
      jsonb_strip_nulls(jsonb_build_object(
        'source', 'wechat', 'appid', p_appid, 'phone', auth_private.mask_phone(p_phone),
        'former', case when v_former <> p_phone then auth_private.mask_phone(v_former) end,
        'reason', case when outcome <> 'bound' then outcome end)));
  end if;
  if outcome = 'bound' and v_former is distinct from p_phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', v_user.id, jsonb_build_object('phone', p_phone));
  end if;

  wechat_errcode := p_errcode;
  wechat_rid := p_rid;
  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) from public;
grant execute on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) to authenticator;
alter function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) owner to auth_binder;

comment on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) is
  'Writes what WeChat said of a code. p_verdict: phone (p_phone, E.164 with plus, and p_phone_raw as WeChat told it), wechat_phone_unusable or wechat_code_invalid (with p_errcode, p_rid). Answers state done and outcome: bound, phone_exists, wechat_phone_unusable, wechat_code_invalid, or wechat_code_used, with the user as he is now; or state pending: another request has the code by now, come again. An outcome is returned, never raised, because it must be kept; the same call again gives the same answer and writes nothing. Raises session_not_found, user_banned.';

-- schema/auth_private/wechat_take_access_token.sql

create function auth_private.wechat_take_access_token(
  p_appid text, p_kind text, p_dead_token text, p_fetch_id uuid, p_lease_ms integer,
  out access_token text, out expires_at timestamptz, out must_fetch boolean
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row auth_private.wechat_access_tokens;
  v_until timestamptz := clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0);
begin
  insert into auth_private.wechat_access_tokens (appid, kind) values (p_appid, p_kind) on conflict do nothing;

  -- Compare and swap: only while this very token is the current one does its death concern anybody.
  update auth_private.wechat_access_tokens t
  set access_token = null, expires_at = null
  where t.appid = p_appid and t.kind = p_kind and t.access_token = p_dead_token;

  -- Five minutes before the end WeChat hands out the next token while this one still works.
  update auth_private.wechat_access_tokens t
  set fetching_until = v_until, fetch_id = p_fetch_id
  where t.appid = p_appid and t.kind = p_kind
    and (t.expires_at is null or t.expires_at < clock_timestamp() + interval '5 minutes')
    and (t.fetching_until is null or t.fetching_until < clock_timestamp());
  must_fetch := found;

  select * into v_row from auth_private.wechat_access_tokens t where t.appid = p_appid and t.kind = p_kind;
  if v_row.expires_at > clock_timestamp() then
    access_token := v_row.access_token;
    expires_at := v_row.expires_at;
  end if;
end
$$;

revoke all on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) from public;
grant execute on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) to authenticator;
alter function auth_private.wechat_take_access_token(text, text, text, uuid, integer) owner to auth_courier;

comment on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) is
  'The app''s current access token (null: there is none), its end, and whether the caller is the one node that must fetch the next one, for which it has p_lease_ms milliseconds under the name p_fetch_id. p_dead_token: a token that WeChat has refused; it is dropped if it still is the current one.';

-- schema/auth_private/wechat_put_access_token.sql

create function auth_private.wechat_put_access_token(
  p_appid text, p_kind text, p_fetch_id uuid, p_access_token text, p_expires_in integer
) returns timestamptz
language sql security definer volatile
set search_path = pg_catalog, pg_temp
begin atomic
  update auth_private.wechat_access_tokens
  set access_token = coalesce(p_access_token, access_token),
      expires_at = case when p_access_token is null then expires_at
                        else clock_timestamp() + make_interval(secs => p_expires_in) end,
      fetched_at = case when p_access_token is null then fetched_at else clock_timestamp() end,
      fetching_until = null,
      fetch_id = null
  where appid = p_appid and kind = p_kind and fetch_id = p_fetch_id
  returning expires_at;
end;

revoke all on function auth_private.wechat_put_access_token(text, text, uuid, text, integer) from public;
grant execute on function auth_private.wechat_put_access_token(text, text, uuid, text, integer) to authenticator;
alter function auth_private.wechat_put_access_token(text, text, uuid, text, integer) owner to auth_courier;

comment on function auth_private.wechat_put_access_token(text, text, uuid, text, integer) is
  'Ends a fetch: stores the token, good for p_expires_in seconds, and answers when it ends. A null token says that the fetch failed, so that another node may try. Nothing happens, and null is answered, where the lease of p_fetch_id ran out and another fetch has begun.';

-- schema/auth_private/relay_events.sql

create function auth_private.relay_events(p_limit integer) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_specs graphile_worker.job_spec[];
begin
  -- "for update skip locked", never "id > last": ids are given before the commit, so a smaller one may appear later.
  with batch as (
    select e.id from auth_private.events e where e.relayed_at is null
    order by e.id limit p_limit for update skip locked
  ), relayed as (
    update auth_private.events e set relayed_at = now() from batch where e.id = batch.id returning e.id
  )
  select array_agg(row(
    'auth_event', json_build_object('event_id', r.id), null, null, null, null, null, null
  )::graphile_worker.job_spec order by r.id)
  into v_specs from relayed r;

  perform graphile_worker.add_jobs(v_specs) where v_specs is not null;
  return coalesce(cardinality(v_specs), 0);
end
$$;

revoke all on function auth_private.relay_events(integer) from public;

comment on function auth_private.relay_events(integer) is
  'Moves up to p_limit events from the outbox to jobs of the task auth_event, whose payload is {event_id}, and answers how many. Called by the worker, as the owner, again and again.';

-- schema/auth_private/admin_lock_user.sql

create function auth_private.admin_lock_user(p_user_id uuid, p_reason text) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  if coalesce(p_reason, '') !~ '\S' then
    raise exception 'A reason is missing' using errcode = 'WX001',
      hint = 'Say why, for whoever reads the audit log later.';
  end if;
  select * into v_user from auth.users u
  where u.id = p_user_id and u.deleted_at is null and u.merged_into is null
  for no key update;
  if not found then
    raise exception 'There is no living user with this id' using errcode = 'WX005',
      hint = 'auth.admin_find_user finds users by phone, id or openid.';
  end if;
  return v_user;
end
$$;

revoke all on function auth_private.admin_lock_user(uuid, text) from public;
grant execute on function auth_private.admin_lock_user(uuid, text) to auth_steward;

comment on function auth_private.admin_lock_user(uuid, text) is
  'The living user, locked for an administrator''s change. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';

-- schema/auth/admin_find_user.sql

create function auth.admin_find_user(p_who text) returns setof auth.users
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_who like '+%' then
    return query select * from auth.users u
      where u.phone = p_who and u.deleted_at is null and u.merged_into is null;
  elsif p_who ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    return query select * from auth.users u where u.id = p_who::uuid;
  else
    return query select u.* from auth.identities i join auth.users u on u.id = i.user_id
      where i.provider_id = p_who;
  end if;
end
$$;

revoke all on function auth.admin_find_user(text) from public;
grant execute on function auth.admin_find_user(text) to service_role;

comment on function auth.admin_find_user(text) is
  'Finds users: +… is a phone (E.164, of a living user), a uuid an id, anything else an openid. No row: there is none.';

-- schema/auth/admin_bind_phone.sql

create function auth.admin_bind_phone(user_id uuid, phone text, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
  v_constraint text;
begin
  if admin_bind_phone.phone is null or admin_bind_phone.phone !~ '^\+[1-9][0-9]{4,14}$' then
    raise exception 'Not an E.164 phone number' using errcode = 'WX001', hint = 'Write it with plus and country code: +8613800138000.';
  end if;
  v_user := auth_private.admin_lock_user(admin_bind_phone.user_id, admin_bind_phone.reason);
  v_former := v_user.phone;

  begin
    update auth.users u
    set phone = admin_bind_phone.phone, phone_confirmed_at = now(), updated_at = now(),
        phone_raw = case when u.phone = admin_bind_phone.phone then u.phone_raw end
    where u.id = admin_bind_phone.user_id
    returning * into v_user;
  exception when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint is distinct from 'users_phone_key' then raise; end if;
    raise exception 'Another user has this phone' using errcode = 'WX006',
      hint = 'auth.admin_find_user tells who; auth.admin_unbind_phone takes it from that user.';
  end;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('phone_bound', admin_bind_phone.user_id, 'admin:' || session_user, jsonb_strip_nulls(jsonb_build_object(
    'source', 'admin', 'reason', auth_private.mask_phones_in(admin_bind_phone.reason), 'phone', auth_private.mask_phone(admin_bind_phone.phone),
    'former', case when v_former <> admin_bind_phone.phone then auth_private.mask_phone(v_former) end)));
  if v_former is distinct from admin_bind_phone.phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', admin_bind_phone.user_id, jsonb_build_object('phone', admin_bind_phone.phone));
  end if;
  return v_user;
end
$$;

revoke all on function auth.admin_bind_phone(uuid, text, text) from public;
grant execute on function auth.admin_bind_phone(uuid, text, text) to service_role;
alter function auth.admin_bind_phone(uuid, text, text) owner to auth_steward;

comment on function auth.admin_bind_phone(uuid, text, text) is
  'Gives a living user a phone (E.164 with plus) by an administrator''s word, with the reason, an audit entry and the event phone.bound; the same phone again only renews its time. Raises validation_failed (WX001: not a phone, no reason), user_not_found (WX005), phone_exists (WX006).';

-- schema/auth/admin_unbind_phone.sql

create function auth.admin_unbind_phone(user_id uuid, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
begin
  v_user := auth_private.admin_lock_user(admin_unbind_phone.user_id, admin_unbind_phone.reason);
  v_former := v_user.phone;
  if v_former is null then
    return v_user;
  end if;

  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, updated_at = now()
  where u.id = admin_unbind_phone.user_id
  returning * into v_user;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('phone_unbound', admin_unbind_phone.user_id, 'admin:' || session_user, jsonb_build_object(
    'source', 'admin', 'reason', auth_private.mask_phones_in(admin_unbind_phone.reason), 'phone', auth_private.mask_phone(v_former)));
  insert into auth_private.events (type, user_id, data)
  values ('phone.unbound', admin_unbind_phone.user_id, jsonb_build_object('phone', v_former));
  return v_user;
end
$$;

revoke all on function auth.admin_unbind_phone(uuid, text) from public;
grant execute on function auth.admin_unbind_phone(uuid, text) to service_role;
alter function auth.admin_unbind_phone(uuid, text) owner to auth_steward;

comment on function auth.admin_unbind_phone(uuid, text) is
  'Takes the phone from a living user, with the reason, an audit entry and the event phone.unbound; where there is no phone, nothing happens. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';

-- schema/schema_end.sql

-- The duties own their functions now; none of them may create anything.
revoke create on schema auth, auth_private from auth_signer, auth_keeper, auth_binder, auth_steward, auth_courier;
