alter table auth_private.events validate constraint events_type_is_known;
