create function auth_private.mask_phone(p_phone text) returns text
language sql immutable
return left(p_phone, least(greatest(length(p_phone) - 8, 1), 6)) || '****' || right(p_phone, least(4, length(p_phone) - 5));

revoke all on function auth_private.mask_phone(text) from public;
grant execute on function auth_private.mask_phone(text) to auth_binder, auth_merger, auth_steward, auth_revealer;

comment on function auth_private.mask_phone(text) is
  'An E.164 phone fit for logs and audit: +86138****8000. At least four digits are hidden.';
