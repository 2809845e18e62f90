-- Whoever takes his phone back must not wait for a search of all events.
create index events_with_phone_idx on auth_private.events (user_id) where data ? 'phone';
