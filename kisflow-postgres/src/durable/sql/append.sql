-- Appends to groups whose heads `decide` has locked for update.
with new as (
    select * from unnest($1::text[], $2::bytea[], $3::int8[], $4::bytea[])
        as new (space, head, nth, value)
    where current_setting('kisflow.commit') = 'yes'
),
counted as (
    update SCHEMA.entries as entries set count = coalesce(entries.count, 0) + heads.number
    from unnest($6::text[], $7::bytea[], $8::int8[]) as heads (space, key, number)
    where current_setting('kisflow.commit') = 'yes'
        and entries.space = heads.space and entries.key = heads.key
)
insert into SCHEMA.entries (space, key, value, version)
-- The statement sees the heads as they were before it.
select new.space, new.head || int8send(coalesce(heads.count, 0) + new.nth), new.value, $5::uuid
from new join SCHEMA.entries as heads on heads.space = new.space and heads.key = new.head
on conflict (space, key) do update set value = excluded.value, version = excluded.version
