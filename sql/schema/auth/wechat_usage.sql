-- With the rights of whoever asks: the policies of auth.wechat_calls hold.
create view auth.wechat_usage with (security_barrier, security_invoker) as
select u.appid, u.day, u.calls, u.failures, u.unanswered, u.taps, auth_private.wechat_cost(u.taps) as cost
from (
  select c.appid, c.day,
    sum(c.calls)::bigint as calls,
    coalesce(sum(c.calls) filter (where c.errcode is distinct from 0), 0)::bigint as failures,
    coalesce(sum(c.calls) filter (where c.errcode is null), 0)::bigint as unanswered,
    coalesce(sum(c.calls) filter (where c.endpoint = 'getuserphonenumber' and c.errcode = 0), 0)::bigint as taps
  from auth.wechat_calls c group by c.appid, c.day
) u;

grant select on auth.wechat_usage to service_role;

comment on view auth.wechat_usage is
  'Calls of WeChat, taps and what they cost, by app and day. WeChat charges when the client''s callback succeeds, whether or not the server exchanges the code, and CNY 0.04 instead of 0.03 for the real-time button, whose codes the server cannot tell apart; 1,000 taps for trial are free. So the bill is WeChat''s; this says what was seen here.';
comment on column auth.wechat_usage.appid is 'The mini program.';
comment on column auth.wechat_usage.day is 'The day in Beijing, as WeChat''s bills have it.';
comment on column auth.wechat_usage.calls is 'All calls, of any interface.';
comment on column auth.wechat_usage.failures is 'Of these, answered with an errcode other than 0, or not properly.';
comment on column auth.wechat_usage.unanswered is 'Of these, not properly answered: time-outs, broken connections, other statuses, nonsense.';
comment on column auth.wechat_usage.taps is 'Calls of getuserphonenumber that succeeded: WeChat gave a phone for a tap.';
comment on column auth.wechat_usage.cost is 'What these taps cost, in CNY, at 0.03 each.';
