create table auth_private.migrations (
  version integer not null,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now(),
  constraint migrations_pkey primary key (version)
);

alter table auth_private.migrations enable row level security;
grant select on auth_private.migrations to authenticator;
create policy migrations_authenticator_select on auth_private.migrations for select to authenticator using (true);

comment on table auth_private.migrations is 'Which frozen migrations this database has, by number and hash.';
comment on column auth_private.migrations.version is 'The number in the file''s name.';
comment on column auth_private.migrations.name is 'The file''s name.';
comment on column auth_private.migrations.sha256 is 'SHA-256 of the file, hexadecimal: a frozen file never changes.';
comment on column auth_private.migrations.applied_at is 'When it was applied.';
