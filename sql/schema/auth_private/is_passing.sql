create function auth_private.is_passing(p_sqlstate text) returns boolean
language sql immutable
return p_sqlstate ~ '^(40|53|55006|55P03|57|58)';

revoke all on function auth_private.is_passing(text) from public;
grant execute on function auth_private.is_passing(text) to auth_merger;

comment on function auth_private.is_passing(text) is
  'Whether a merge that failed with this SQLSTATE may succeed later: locks, a shutdown, a full disk.';
