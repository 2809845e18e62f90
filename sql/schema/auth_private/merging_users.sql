create function auth_private.merging_users() returns uuid[]
language sql stable
return string_to_array(nullif(current_setting('request.merge', true), ''), ',')::uuid[];

revoke all on function auth_private.merging_users() from public;
grant execute on function auth_private.merging_users() to auth_merger;

comment on function auth_private.merging_users() is
  'The two accounts that are being merged: what the policies of auth_merger compare with. Setting request.merge: <from>,<into>.';
