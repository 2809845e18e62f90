-- Why: WeChat knows one access token per app (a new one ends the old one), so all nodes share the one in this row.
create table auth_private.wechat_access_tokens (
  appid text not null,
  kind text not null,
  access_token text,
  expires_at timestamptz,
  fetched_at timestamptz,
  fetch_id uuid,
  fetching_until timestamptz,
  dead_token text,
  forced_at timestamptz,
  forces integer not null default 0,
  failure jsonb,
  failures integer not null default 0,
  retry_at timestamptz,
  constraint wechat_access_tokens_pkey primary key (appid, kind),
  constraint wechat_access_tokens_kind_is_known check (kind in ('stable', 'legacy')),
  constraint wechat_access_tokens_token_has_its_end check ((access_token is null) = (expires_at is null))
);

alter table auth_private.wechat_access_tokens enable row level security;

grant select, insert, update on auth_private.wechat_access_tokens to auth_courier;
create policy wechat_access_tokens_courier_all on auth_private.wechat_access_tokens to auth_courier
  using (true) with check (true);

-- For the numbers of /metrics; not the token.
grant select (appid, kind, expires_at, fetched_at, failures) on auth_private.wechat_access_tokens to auth_watcher;
create policy wechat_access_tokens_watcher_select on auth_private.wechat_access_tokens for select to auth_watcher using (true);

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
comment on column auth_private.wechat_access_tokens.dead_token is
  'The token that WeChat refused last, until another one is there: a stable token is handed out again although it is refused.';
comment on column auth_private.wechat_access_tokens.forced_at is 'When WeChat was last asked for another token although it has one.';
comment on column auth_private.wechat_access_tokens.forces is 'How often on the day of forced_at, as Beijing counts days.';
comment on column auth_private.wechat_access_tokens.failure is
  'What the last fetch failed with: {code, errcode, rid, advice}; null: it succeeded. Of no secret.';
comment on column auth_private.wechat_access_tokens.failures is 'How many fetches have failed since one succeeded.';
comment on column auth_private.wechat_access_tokens.retry_at is 'Nobody fetches before; null: at once.';
