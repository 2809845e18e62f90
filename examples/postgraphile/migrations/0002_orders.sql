-- With postgraphile-wechat requests run as anon or authenticated: what they may do is granted to these.
grant select on public.products to anon, authenticated;

create table public.orders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  product_id integer not null references public.products (id),
  created_at timestamptz not null default now()
);
create index on public.orders (user_id);
create index on public.orders (product_id);

alter table public.orders enable row level security;
create policy orders_own on public.orders to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
grant select, insert (product_id) on public.orders to authenticated;

-- Where two accounts of one person become one, the orders of both are his.
select auth.admin_register_owned_table('public.orders', 'user_id', 'move');
