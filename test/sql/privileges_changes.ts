/** What a message has to say of a line. */
export const add = (line: string) => expect.stringContaining(`add to sql/privileges.md under ${line}`)
const gone = (line: string) => expect.stringContaining(`not in the database, sql/privileges.md under ${line}`)

/** Changes of what roles may do: what it is, the statement, and all that has to be said of it. */
export const changes: [what: string, statement: string, expected: unknown[]][] = [
  ['a table', 'create table auth.extra (id int)', [add('## Tables: | auth.extra | owner | off |')]],
  ['a view', 'create view auth.extra as select 1', [add('## Tables: | auth.extra | owner | off |')]],
  [
    'a grant on a table',
    'grant delete on auth.sessions to authenticated',
    [add('### auth.sessions: | authenticated | delete | all |')],
  ],
  [
    'a grant on a column',
    'grant update (user_metadata) on auth.users to authenticated',
    [add('### auth.users: | authenticated | update | user_metadata |')],
  ],
  [
    'a column more in a grant',
    'grant update (id) on auth.users to auth_binder',
    [
      add('### auth.users: | auth_binder | update | id, phone, '),
      gone('### auth.users: | auth_binder | update | phone, '),
    ],
  ],
  [
    'a grant that may be passed on',
    'grant truncate on auth.users to service_role with grant option',
    [add('### auth.users: | service_role with grant option | truncate | all |')],
  ],
  [
    'a grant to PUBLIC',
    'grant select on auth_private.events to public',
    [add('### auth_private.events: | PUBLIC | select | all |')],
  ],
  [
    'a grant that is gone',
    'revoke select on auth.users from service_role',
    [gone('### auth.users: | service_role | select | all |')],
  ],
  [
    'a function, which PUBLIC may execute',
    'create function auth.extra(text) returns int language sql return 1',
    [add('### Other functions: | `auth.extra(text)` | owner | – | PUBLIC |')],
  ],
  [
    'a definer of the owner',
    `create function auth.extra() returns int language sql security definer set search_path = '' return 1;
     revoke all on function auth.extra() from public`,
    [add('### Definers: | `auth.extra()` | owner | `""` | – |')],
  ],
  [
    'another owner of a definer',
    'alter function auth_private.get_user(uuid) owner to current_user',
    [
      add('### Definers: | `auth_private.get_user(uuid)` | owner | `pg_catalog, pg_temp` | authenticator |'),
      gone('### Definers: | `auth_private.get_user(uuid)` | auth_keeper |'),
    ],
  ],
  [
    'a definer without search_path',
    'alter function auth_private.get_user(uuid) reset search_path',
    [
      add('### Definers: | `auth_private.get_user(uuid)` | auth_keeper | – | authenticator |'),
      gone('### Definers: | `auth_private.get_user(uuid)` |'),
    ],
  ],
  [
    'a caller more of a function',
    'grant execute on function auth_private.sign_out(uuid, text) to anon',
    [
      add(
        '### Definers: | `auth_private.sign_out(uuid,text)` | auth_keeper | `pg_catalog, pg_temp` | anon, auth',
      ),
      gone('### Definers: | `auth_private.sign_out(uuid,text)` |'),
    ],
  ],
  [
    'a sequence',
    'create sequence auth.extra; grant usage on sequence auth.extra to anon',
    [add('## Sequences: | auth.extra | owner | usage to anon |')],
  ],
  [
    'a type',
    `create type auth.extra as enum ('a')`,
    [add('## Types: | auth.extra | owner | usage to PUBLIC |')],
  ],
  [
    'a schema that a role may create in',
    'grant create on schema auth to auth_keeper',
    [add('## Schemas: | auth | owner |'), gone('## Schemas: | auth | owner |')],
  ],
  [
    'default privileges',
    'alter default privileges in schema auth grant select on tables to anon',
    [add('## Default privileges: | owner | auth | r |')],
  ],
  [
    'a policy',
    'create policy extra on auth.users for delete to auth_binder using (true)',
    [add('### auth.users: | extra | auth_binder | delete | `true` |  |')],
  ],
  [
    'a policy whose condition has changed',
    'alter policy users_binder_update on auth.users using (true)',
    [
      add('### auth.users: | users_binder_update | auth_binder | update | `true` |  |'),
      gone('### auth.users: | users_binder_update | auth_binder | update | `(id ='),
    ],
  ],
  [
    'a policy for a role more',
    'alter policy users_binder_update on auth.users to auth_binder, anon',
    [
      add('### auth.users: | users_binder_update | anon, auth_binder | update |'),
      gone('### auth.users: | users_binder_update |'),
    ],
  ],
  [
    'a policy that is gone',
    'drop policy sessions_binder_lock on auth.sessions',
    [gone('### auth.sessions: | sessions_binder_lock |')],
  ],
  [
    'a table without row-level security',
    'alter table auth.users disable row level security',
    [add('## Tables: | auth.users | owner | off |'), gone('## Tables: | auth.users | owner | on |')],
  ],
  [
    'a membership',
    'grant auth_steward to authenticator',
    [add('## Roles: | authenticator | yes | – | anon, auth_steward, '), gone('## Roles: | authenticator |')],
  ],
  [
    'a member that is not listed',
    'create role intruder login; grant auth_binder to intruder',
    [add('## Roles: | intruder | yes | – | auth_binder | auth_binder | – |')],
  ],
  [
    'an attribute of a role',
    'alter role authenticated createdb',
    [add('## Roles: | authenticated | no | createdb |'), gone('## Roles: | authenticated |')],
  ],
  [
    'a role that may log in',
    'alter role auth_binder login',
    [add('## Roles: | auth_binder | yes |'), gone('## Roles: | auth_binder | no |')],
  ],
  [
    'a right elsewhere',
    'create table public.extra (id int); grant select on public.extra to auth_binder',
    [add('## Elsewhere: | auth_binder | table extra |')],
  ],
  [
    'a right on the schema of the jobs',
    'grant usage on schema graphile_worker to anon',
    [add('## Elsewhere: | anon | schema graphile_worker |')],
  ],
]
