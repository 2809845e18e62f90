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

-- What the worker deletes.
create index wechat_codes_created_at_idx on auth_private.wechat_codes (created_at);

-- As auth.users.
alter table auth_private.wechat_codes set (autovacuum_vacuum_scale_factor = 0.05);

alter table auth_private.wechat_codes enable row level security;

-- For the numbers of /metrics.
grant select (claimed_until, outcome, created_at) on auth_private.wechat_codes to auth_watcher;
create policy wechat_codes_watcher_select on auth_private.wechat_codes for select to auth_watcher using (outcome is null);

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
