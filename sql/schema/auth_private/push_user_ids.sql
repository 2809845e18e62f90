create function auth_private.push_user_ids() returns uuid[]
language sql stable
return (
  with recursive person (id) as (
    select auth_private.push_user_id()
    union
    select u.id from auth.users u join person p on u.merged_into = p.id
  )
  select array_agg(p.id) from person p
);

revoke all on function auth_private.push_user_ids() from public;
grant execute on function auth_private.push_user_ids() to auth_eraser;

comment on function auth_private.push_user_ids() is
  'The user of push_user_id and all accounts that were merged into his: what the policies of auth_eraser compare with. Never an argument.';
