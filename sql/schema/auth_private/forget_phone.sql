create function auth_private.forget_phone() returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids uuid[] := auth_private.push_user_ids();
  v_had boolean := exists (
    select from auth.users u where u.id = auth_private.push_user_id() and u.phone is not null);
begin
  -- Codes that put a phone here say "bound" no longer: phone_revision counts up by trigger.
  perform set_config('request.phone_change', 'none', true);
  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, updated_at = now()
  where u.id = any (v_ids) and u.phone is not null;

  -- What was delivered, and what was not yet: who delivers reads the event at that moment.
  update auth_private.events e set data = e.data - 'phone'
  where e.user_id = any (v_ids) and e.data ? 'phone';

  -- Masked phones keep digits of the number, in members of their own and in reasons.
  update auth.audit_log_entries a
  set details = regexp_replace(
    (a.details - '{phone,former}'::text[])::text, '(\+[0-9]{1,5})?\*{4}([0-9][ .-]?){0,3}[0-9]?', '****', 'g')::jsonb
  where a.user_id = any (v_ids) and a.details::text like '%****%';

  delete from auth.phone_changes p where p.user_id = any (v_ids);
  return v_had;
end
$$;

revoke all on function auth_private.forget_phone() from public;
grant execute on function auth_private.forget_phone() to auth_eraser;

comment on function auth_private.forget_phone() is
  'Takes the phone of the push in hand from everything that has it: the user and the accounts merged into his, the history of their phones, their events, and what is left of it in the audit log. Answers whether the user had one.';
