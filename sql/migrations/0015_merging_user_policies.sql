create policy users_merger_select on auth.users for select to auth_merger
  using (id = any (auth_private.merging_users()) or merged_into = any (auth_private.merging_users()));

create policy users_merger_select_phone on auth.users for select to auth_merger
  using (phone = nullif(current_setting('request.phone', true), ''));

create policy users_merger_select_signing on auth.users for select to auth_merger
  using (
    id = (select auth_private.signing_user_id())
    or wechat_unionid = (select auth_private.signing_identity() ->> 'unionid'));

create policy users_merger_update on auth.users for update to auth_merger
  using (id = any (auth_private.merging_users()) or merged_into = any (auth_private.merging_users()));

alter policy users_binder_select on auth.users using (id = (select auth_private.session_user_id()));

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

grant select, insert (user_id, former, phone, how, actor), update (user_id) on auth.phone_changes to auth_merger;
create policy phone_changes_merger_all on auth.phone_changes to auth_merger
  using (user_id = any (auth_private.merging_users()));

grant insert (user_id, former, phone, how, actor) on auth.phone_changes to auth_binder;
create policy phone_changes_binder_insert on auth.phone_changes for insert to auth_binder
  with check (user_id = (select auth_private.session_user_id()) and actor = 'user');

grant select (user_id), delete on auth.phone_changes to auth_holder;
create policy phone_changes_holder_all on auth.phone_changes to auth_holder
  using (user_id = (select auth_private.session_user_id()));
