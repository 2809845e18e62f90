-- The lists of administrators, newest first.
create index users_created_at_idx on auth.users (created_at desc, id)
  where deleted_at is null and merged_into is null;
