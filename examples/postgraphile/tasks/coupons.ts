import type { EventTask } from 'postgraphile-wechat'

/** Whoever binds a phone for the first time gets a coupon; an account that has become part of another is that one. */
export const giveFirstCoupon: EventTask = async ({ id, type, data }, { query }) => {
  if (type !== 'phone.bound') return
  await query(
    `insert into public.coupons (event_id, user_id, cents)
     select $1, u.id, 500
     from auth.users bound join auth.users u on u.id = coalesce(bound.merged_into, bound.id)
     where bound.id = $2 and u.deleted_at is null
       and not exists (select from public.coupons c where c.user_id = u.id)
     on conflict (event_id) do nothing`,
    [id, data.user_id],
  )
}
