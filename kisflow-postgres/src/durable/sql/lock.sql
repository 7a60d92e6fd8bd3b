-- Locks what several commits change, in one order.
select count(*) from unnest($1::text[], $2::bytea[]) as wanted (space, key), lateral (
    select from SCHEMA.entries as entries
    where entries.space = wanted.space and entries.key = wanted.key
    for update
) as locked
