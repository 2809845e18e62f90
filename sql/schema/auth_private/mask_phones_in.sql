create function auth_private.mask_phones_in(p_text text) returns text
language sql immutable
return regexp_replace(
  translate(p_text, '０１２３４５６７８９＋', '0123456789+'),
  '(?:\+(?:[0-9][ ().-]{0,3}){3,12}'
    '|1[3-9][0-9][ ().-]{0,2}[0-9]{4}[ .-]?'
    '|\(?0[1-9][0-9]{1,2}[ ().-]{1,2}[0-9]{3,4}[ .-]?'
    '|[0-9]{6,})((?:[0-9][ .-]?){3}[0-9])(?![0-9])',
  '****\1', 'g');

revoke all on function auth_private.mask_phones_in(text) from public;
grant execute on function auth_private.mask_phones_in(text) to auth_merger, auth_steward, auth_herald, auth_revealer;

comment on function auth_private.mask_phones_in(text) is
  'Free text fit for the audit log: what looks like a phone (a plus and 7 digits, a mainland mobile or landline number, or 10 digits and more; grouped by spaces, dots, hyphens, brackets, and full-width digits too) keeps its last four digits.';
