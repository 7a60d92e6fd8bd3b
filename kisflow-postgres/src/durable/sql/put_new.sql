-- Puts entries that must not be there. If another commit put one since `decide`, the transaction
-- fails, and is repeated.
with put as (
    insert into SCHEMA.entries as entries (space, key, value, version)
    select *, $4::uuid from unnest($1::text[], $2::bytea[], $3::bytea[])
    where current_setting('kisflow.commit') = 'yes'
    on conflict (space, key) do update set value = excluded.value, version = excluded.version
    where entries.value is null and entries.count is null
    returning 1
)
select case when current_setting('kisflow.commit') <> 'yes' or count(*) = cardinality($2) then 0
    else ('another commit put the same key first; kisflow repeats this one: ' || count(*))::int end
from put
