-- What the worker deletes of the ledger.
create index wechat_codes_created_at_idx on auth_private.wechat_codes (created_at);
