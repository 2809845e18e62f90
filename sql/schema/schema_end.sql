-- The duties own their functions now; none of them may create anything.
revoke create on schema auth, auth_private from
  auth_signer, auth_keeper, auth_holder, auth_claims, auth_binder, auth_merger, auth_steward, auth_courier, auth_limiter,
  auth_herald, auth_receiver, auth_eraser, auth_revealer, auth_watcher;
