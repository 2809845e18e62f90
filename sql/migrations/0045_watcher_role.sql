-- What /metrics reads of the database: the duty auth_watcher. The files up to 0051_metrics.sql are one change.

do $$
declare
  v_has_options boolean := current_setting('server_version_num')::integer >= 160000;
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'auth_watcher') then
    begin
      create role auth_watcher nologin noinherit;
    exception when duplicate_object or unique_violation then
      null; -- another database of this cluster is being migrated at this moment
    end;
  end if;
  begin
    if v_has_options then
      if not (pg_has_role(current_user, 'auth_watcher', 'usage') and pg_has_role(current_user, 'auth_watcher', 'set')) then
        execute format('grant auth_watcher to %I with inherit true, set true', current_user);
      end if;
    elsif not pg_has_role(current_user, 'auth_watcher', 'usage') then
      execute format('grant auth_watcher to %I', current_user);
    end if;
  exception when insufficient_privilege then
    raise exception 'The login % may not grant the role auth_watcher', current_user
      using errcode = 'insufficient_privilege',
        hint = format('The role belongs to another login. Let that one, or a superuser, run: grant auth_watcher to %I with admin option',
          current_user);
  end;
end
$$;

grant usage on schema auth_private to auth_watcher;
