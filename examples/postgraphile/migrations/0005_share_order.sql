-- As whoever calls it: of orders he sees his own only, so nobody shares another's.
create function public.share_order(order_id uuid) returns text
language sql volatile
as $$
  insert into public.shares (order_id)
  select o.id from public.orders o where o.id = share_order.order_id
  on conflict do nothing;

  select s.code from public.shares s where s.order_id = share_order.order_id;
$$;
-- The RPC calls it; as a mutation of its own it need not be there.
comment on function public.share_order(uuid) is '@behavior -*';
