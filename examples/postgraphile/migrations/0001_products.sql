create table public.products (
  id integer primary key,
  name text not null,
  cents integer not null check (cents > 0)
);

insert into public.products values (1, 'Jasmine tea', 4800), (2, 'Oolong tea', 6600);
