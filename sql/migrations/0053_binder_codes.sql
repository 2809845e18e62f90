alter policy wechat_codes_binder_insert on auth_private.wechat_codes
  with check (user_id = (select auth.uid()));
alter policy wechat_codes_binder_update on auth_private.wechat_codes
  using (user_id = (select auth.uid()) or outcome is null or outcome = 'wechat_code_invalid')
  with check (
    user_id = (select auth.uid())
    or claim_id = (select nullif(current_setting('request.claim_id', true), '')::uuid));
