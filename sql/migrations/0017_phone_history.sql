-- After the functions, which say how a phone changes: without them the history would refuse what they write.

-- As whoever changes the phone: his policies say of whom he may write.
create function auth.users_note_phone_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_change text := coalesce(nullif(current_setting('request.phone_change', true), ''), 'sql,admin:' || session_user);
begin
  -- For this change alone: the next one of this transaction may be another's.
  perform set_config('request.phone_change', '', true);
  if v_change = 'none' then
    return null;
  end if;
  insert into auth.phone_changes (user_id, former, phone, how, actor)
  values (new.id, case when tg_op = 'UPDATE' then old.phone end, new.phone,
    split_part(v_change, ',', 1), substr(v_change, strpos(v_change, ',') + 1));
  return null;
end
$$;
revoke all on function auth.users_note_phone_change() from public;
comment on function auth.users_note_phone_change() is
  'Trigger function: writes auth.phone_changes. How the phone changes, and by whom, stands in the setting request.phone_change, which the functions of this schema set right before: <how>,<actor>; or none, where they see to the history themselves.';

create trigger users_note_first_phone after insert on auth.users
  for each row when (new.phone is not null)
  execute function auth.users_note_phone_change();
comment on trigger users_note_first_phone on auth.users is 'Begins the history of phones.';

-- A merge moves the history and says itself what became of the phone.
create trigger users_note_phone_change after update of phone on auth.users
  for each row when (new.phone is distinct from old.phone and new.merged_into is null)
  execute function auth.users_note_phone_change();
comment on trigger users_note_phone_change on auth.users is 'Goes on with the history of phones.';
