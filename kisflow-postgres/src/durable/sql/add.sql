-- Adds to counters that `decide` has locked for update.
update SCHEMA.entries as entries set count = coalesce(entries.count, 0) + new.by
from unnest($1::text[], $2::bytea[], $3::int8[]) as new (space, key, by)
where current_setting('kisflow.commit') = 'yes'
    and entries.space = new.space and entries.key = new.key
