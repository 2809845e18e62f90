create table public.shares (
  order_id uuid primary key references public.orders (id) on delete cascade,
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  -- What the page of the mini program gets as scene, of which WeChat allows 32 characters.
  code text not null unique default replace(gen_random_uuid()::text, '-', '')
);
comment on table public.shares is '@behavior -*';
create index on public.shares (user_id);

alter table public.shares enable row level security;
create policy shares_own on public.shares to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
grant select, insert (order_id) on public.shares to authenticated;

select auth.admin_register_owned_table('public.shares', 'user_id', 'move');
