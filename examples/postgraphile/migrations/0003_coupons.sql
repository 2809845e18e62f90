create table public.coupons (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  -- For which it was given: the event that is told again finds it here.
  event_id bigint not null unique,
  cents integer not null check (cents > 0),
  created_at timestamptz not null default now()
);
create index on public.coupons (user_id);

alter table public.coupons enable row level security;
create policy coupons_own on public.coupons to authenticated using (user_id = (select auth.uid()));
grant select on public.coupons to authenticated;

select auth.admin_register_owned_table('public.coupons', 'user_id', 'move');
