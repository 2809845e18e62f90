-- The schema's files, in the order in which they build an empty database. One transaction, run by `migrate`.
\ir schema/roles.sql
\ir schema/schemas.sql
\ir schema/auth_private/migrations.sql

\ir schema/auth/jwt.sql
\ir schema/auth/uid.sql
\ir schema/auth/role.sql
\ir schema/auth/users.sql
\ir schema/auth/identities.sql
\ir schema/auth/sessions.sql
\ir schema/auth/phone_changes.sql
\ir schema/auth/audit_log_entries.sql
\ir schema/auth_private/wechat_codes.sql
\ir schema/auth_private/events.sql
\ir schema/auth_private/wechat_access_tokens.sql
\ir schema/auth_private/rate_limits.sql
\ir schema/auth/wechat_calls.sql
\ir schema/auth_private/wechat_counters.sql
\ir schema/auth_private/wechat_budgets.sql
\ir schema/auth_private/wechat_pushes.sql

\ir schema/auth_private/event_types.sql
\ir schema/auth_private/webhooks.sql
\ir schema/auth_private/deliveries.sql

\ir schema/auth_private/mask_phone.sql
\ir schema/auth_private/mask_phones_in.sql
\ir schema/auth_private/require_reason.sql
\ir schema/auth_private/user_json.sql
\ir schema/auth_private/merge_metadata.sql

\ir schema/auth_private/session_user_id.sql
\ir schema/auth_private/signing_identity.sql
\ir schema/auth_private/signing_user_id.sql
\ir schema/auth_keeper.sql
\ir schema/auth_binder.sql
\ir schema/auth_holder.sql
\ir schema/auth_private/merging_users.sql
\ir schema/auth_merger.sql
\ir schema/auth_private/enter_session.sql
\ir schema/auth_private/hold_session.sql
\ir schema/auth_private/get_user.sql
\ir schema/auth_private/request_claims.sql
\ir schema/auth_private/refresh_session.sql
\ir schema/auth_private/sign_out.sql
\ir schema/auth_private/custom_claims.sql
\ir schema/auth_private/access_token_claims.sql

\ir schema/auth_private/update_user.sql
\ir schema/auth_private/wechat_bind_account.sql
\ir schema/auth_private/unlink_identity.sql
\ir schema/auth_private/forget_told_phones.sql
\ir schema/auth_private/delete_user.sql

\ir schema/auth_private/settle_constraints.sql
\ir schema/auth_private/lock_merging_users.sql
\ir schema/auth_private/joined_metadata.sql
\ir schema/auth_private/is_passing.sql
\ir schema/auth/owner_may_merge.sql
\ir schema/auth/require_mergeable.sql
\ir schema/auth/admin_register_owned_table.sql
\ir schema/auth_private/owned_tables.sql
\ir schema/auth_private/unique_keys_with.sql
\ir schema/auth_private/merge_owned_rows.sql
\ir schema/auth_private/require_nothing_left.sql
\ir schema/auth_private/merge_users.sql
\ir schema/auth/admin_merge_users.sql
\ir schema/auth_private/merge_by_unionid.sql
\ir schema/auth_private/merge_into_phone_owner.sql

\ir schema/auth_signer.sql
\ir schema/auth_private/wechat_sign_in.sql

\ir schema/auth_private/wechat_code_outcome.sql
\ir schema/auth_private/wechat_claim_code.sql
\ir schema/auth_private/wechat_release_code.sql
\ir schema/auth_private/wechat_bind_phone.sql
\ir schema/auth_private/wechat_unbind_phone.sql

\ir schema/auth_private/wechat_take_access_token.sql
\ir schema/auth_private/wechat_put_access_token.sql
\ir schema/auth_private/wechat_fail_access_token.sql
\ir schema/auth_private/wechat_force_access_token.sql
\ir schema/auth_private/former_signatures.sql
\ir schema/auth_private/wechat_cost.sql
\ir schema/auth/wechat_usage.sql
\ir schema/auth_private/wechat_count_calls.sql
\ir schema/auth_private/count_operations.sql

\ir schema/auth/admin_export_user.sql

\ir schema/auth_private/relay_events.sql
\ir schema/auth_private/delete_tombstones.sql

\ir schema/auth_private/push_user_id.sql
\ir schema/auth_private/push_user_ids.sql
\ir schema/auth_eraser.sql
\ir schema/auth_private/wechat_receive_push.sql
\ir schema/auth_private/relay_pushes.sql
\ir schema/auth_private/forget_phone.sql
\ir schema/auth_private/forget_identity.sql
\ir schema/auth_private/wechat_apply_push.sql

\ir schema/auth_private/admin_lock_user.sql
\ir schema/auth/admin_find_user.sql
\ir schema/auth_private/require_phone.sql
\ir schema/auth_private/admin_give_phone.sql
\ir schema/auth_private/admin_take_phone.sql
\ir schema/auth/admin_bind_phone.sql
\ir schema/auth/admin_unbind_phone.sql
\ir schema/auth/admin_reassign_phone.sql
\ir schema/auth/admin_ban_user.sql
\ir schema/auth/admin_delete_user.sql
\ir schema/auth/users_masked.sql
\ir schema/auth/support_reveal_phone.sql
\ir schema/auth_private/admin_user_json.sql
\ir schema/auth_private/admin_list_users.sql
\ir schema/auth_private/admin_get_user.sql
\ir schema/auth_private/admin_update_user.sql
\ir schema/auth_private/admin_create_user.sql
\ir schema/auth_private/admin_delete_user.sql
\ir schema/auth_private/admin_list_sessions.sql
\ir schema/auth_private/admin_end_sessions.sql
\ir schema/auth_private/admin_list_audit.sql

\ir schema/auth_private/metrics.sql

\ir schema/auth_private/admin_require_webhook.sql
\ir schema/auth/admin_add_webhook.sql
\ir schema/auth/admin_list_webhooks.sql
\ir schema/auth/admin_remove_webhook.sql
\ir schema/auth/admin_list_failed_deliveries.sql
\ir schema/auth/admin_replay_deliveries.sql

\ir schema/schema_end.sql
