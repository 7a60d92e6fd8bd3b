-- Makes rows, without a value, for keys that a commit has to lock.
insert into SCHEMA.entries (space, key) select * from unnest($1::text[], $2::bytea[])
on conflict do nothing
