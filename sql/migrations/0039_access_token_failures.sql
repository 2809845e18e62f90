alter table auth_private.wechat_access_tokens
  add column dead_token text,
  add column forced_at timestamptz,
  add column forces integer not null default 0,
  add column failure jsonb,
  add column failures integer not null default 0,
  add column retry_at timestamptz;

comment on column auth_private.wechat_access_tokens.dead_token is
  'The token that WeChat refused last, until another one is there: a stable token is handed out again although it is refused.';
comment on column auth_private.wechat_access_tokens.forced_at is 'When WeChat was last asked for another token although it has one.';
comment on column auth_private.wechat_access_tokens.forces is 'How often on the day of forced_at, as Beijing counts days.';
comment on column auth_private.wechat_access_tokens.failure is
  'What the last fetch failed with: {code, errcode, rid, advice}; null: it succeeded. Of no secret.';
comment on column auth_private.wechat_access_tokens.failures is 'How many fetches have failed since one succeeded.';
comment on column auth_private.wechat_access_tokens.retry_at is 'Nobody fetches before; null: at once.';
