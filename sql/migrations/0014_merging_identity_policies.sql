create policy identities_merger_all on auth.identities to auth_merger
  using (user_id = any (auth_private.merging_users()));

create policy identities_merger_select_signing on auth.identities for select to auth_merger
  using (provider_id = (select auth_private.signing_identity() ->> 'openid'));
