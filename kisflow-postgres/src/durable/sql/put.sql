-- Puts entries, whatever is there. `decide` has locked those that were there; the others must still
-- be missing.
with new as (
    select * from unnest($1::text[], $2::bytea[], $3::bytea[]) as new (space, key, value)
    where current_setting('kisflow.commit') = 'yes'
),
inserted as (
    insert into SCHEMA.entries (space, key, value, version) select *, $4::uuid from new
    on conflict do nothing
    returning 1
),
updated as (
    update SCHEMA.entries as entries set value = new.value, version = $4 from new
    where entries.space = new.space and entries.key = new.key
)
select case
    when current_setting('kisflow.commit') <> 'yes'
        or count(*) = current_setting('kisflow.missing')::int8
    then 0
    else ('another commit put the same key first; kisflow repeats this one: ' || count(*))::int end
from inserted
