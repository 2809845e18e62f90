-- What the worker deletes of the outbox. Of the time of relaying, so that no request has to keep it.
create index events_relayed_at_idx on auth_private.events (relayed_at) where relayed_at is not null;
