// The tables of other services, as far as an import could meet them: names, types, constraints and generated columns.

const users = (more: string) => `
  create table auth.users (
    instance_id uuid, id uuid not null, aud varchar(255), role varchar(255),
    email varchar(255), encrypted_password varchar(255), email_confirmed_at timestamptz, invited_at timestamptz,
    confirmation_token varchar(255), confirmation_sent_at timestamptz,
    recovery_token varchar(255), recovery_sent_at timestamptz,
    email_change_token_new varchar(255), email_change varchar(255), email_change_sent_at timestamptz,
    last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean,
    created_at timestamptz, updated_at timestamptz,
    ${more},
    constraint users_pkey primary key (id)
  )`

const phones = `
    phone_confirmed_at timestamptz, phone_change_token varchar(255) default '', phone_change_sent_at timestamptz,
    confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
    email_change_token_current varchar(255) default '', email_change_confirm_status smallint default 0,
    banned_until timestamptz, reauthentication_token varchar(255) default '', reauthentication_sent_at timestamptz,
    constraint users_phone_key unique (phone),
    constraint users_email_change_confirm_status_check check (email_change_confirm_status between 0 and 2)`

const present = `phone text default null, phone_change text default '', ${phones},
    is_sso_user boolean not null default false, deleted_at timestamptz`

/** Since the end of 2023: the provider's id beside an id of the row's own. */
const identities = `
  create table auth.identities (
    provider_id text not null, user_id uuid not null, identity_data jsonb not null, provider text not null,
    last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz,
    email text generated always as (lower(identity_data ->> 'email')) stored,
    id uuid not null default gen_random_uuid(),
    constraint identities_pkey primary key (id),
    constraint identities_provider_id_provider_unique unique (provider_id, provider),
    constraint identities_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
  );
  create index identities_user_id_idx on auth.identities (user_id)`

/** Before: the provider's id is the primary key, with the provider. */
const oldIdentities = `
  create table auth.identities (
    id text not null, user_id uuid not null, identity_data jsonb not null, provider text not null,
    last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz,
    constraint identities_pkey primary key (provider, id),
    constraint identities_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
  )`

export const shapes = {
  /** GoTrue of 2024 and later. */
  supabase: `create schema auth; ${users(`${present}, is_anonymous boolean not null default false`)}; ${identities};
    create unique index users_email_partial_key on auth.users (email) where not is_sso_user`,
  /** GoTrue of 2022: short phones, no SSO, no soft deletion, no anonymous users. */
  old: `create schema auth;
    ${users(`phone varchar(15) default null, phone_change varchar(15) default '', ${phones}`)}; ${oldIdentities}`,
  /** MemFire's: openid and unionid are the user's columns; "anonymous" is whoever has neither e-mail nor phone. */
  memfire: `create schema auth;
    ${users(`${present}, wechat_id text, wechat_unionid text, is_anonymous boolean generated always as (
      coalesce(email, '') = '' and coalesce(phone, '') = '') stored`)}; ${identities}`,
  /** The least that an import can use. */
  bare: `create schema auth;
    create table auth.users (id uuid primary key, raw_user_meta_data jsonb)`,
}
export type Shape = keyof typeof shapes
