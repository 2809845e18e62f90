-- What the worker deletes of users, where it is told to.
create index users_deleted_at_idx on auth.users (deleted_at) where deleted_at is not null;
