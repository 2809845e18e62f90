-- Why: "who had this number, and how did he lose it?" is asked about recycled numbers and wrong accounts, when the row in
-- auth.users says nothing any more. The audit log tells who and why, with masked phones; here are the phones themselves.
create table auth.phone_changes (
  id bigint generated always as identity,
  user_id uuid not null,
  former text,
  phone text,
  how text not null,
  actor text not null,
  changed_at timestamptz not null default now(),
  constraint phone_changes_pkey primary key (id),
  constraint phone_changes_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint phone_changes_is_a_change check (former is distinct from phone)
);

create index phone_changes_user_id_idx on auth.phone_changes (user_id, id);
create index phone_changes_phone_idx on auth.phone_changes (phone) where phone is not null;
create index phone_changes_changed_at_idx on auth.phone_changes (changed_at);

alter table auth.phone_changes enable row level security;

comment on table auth.phone_changes is
  'The phones that a user had: written whenever auth.users.phone changes, whoever changes it. A merge moves it to the survivor, a deletion empties it.';
comment on column auth.phone_changes.id is 'In the order of writing.';
comment on column auth.phone_changes.user_id is 'Whose phone changed.';
comment on column auth.phone_changes.former is 'The phone before, E.164 with plus; null: none.';
comment on column auth.phone_changes.phone is 'The phone since then, E.164 with plus; null: none.';
comment on column auth.phone_changes.how is
  'bind: by a code of the phone button; unbind: by the user himself; admin_bind, admin_unbind: by an administrator; reassign: as a recycled number, from one user to another; merge: he had it on another account, and keeps this one''s; sql: by a statement of the schema''s owner, the import among them.';
comment on column auth.phone_changes.actor is 'user, or admin:<database login>.';
comment on column auth.phone_changes.changed_at is 'The time of the transaction.';

grant select on auth.phone_changes to service_role;
create policy phone_changes_service_role_select on auth.phone_changes for select to service_role using (true);

grant insert (user_id, former, phone, how, actor) on auth.phone_changes to auth_steward;
grant select (user_id), delete on auth.phone_changes to auth_steward;
create policy phone_changes_steward_insert on auth.phone_changes for insert to auth_steward
  with check (actor like 'admin:%');
create policy phone_changes_steward_select on auth.phone_changes for select to auth_steward using (true);
create policy phone_changes_steward_delete on auth.phone_changes for delete to auth_steward using (true);

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
