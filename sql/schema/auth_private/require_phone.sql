create function auth_private.require_phone(p_phone text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_phone is null or p_phone !~ '^\+[1-9][0-9]{4,14}$' then
    raise exception 'Not an E.164 phone number' using errcode = 'WX001', hint = 'Write it with plus and country code: +8613800138000.';
  end if;
end
$$;

revoke all on function auth_private.require_phone(text) from public;
grant execute on function auth_private.require_phone(text) to auth_steward;

comment on function auth_private.require_phone(text) is
  'Raises validation_failed (WX001) where a text is no phone as administrators have to write it, E.164 with plus.';
