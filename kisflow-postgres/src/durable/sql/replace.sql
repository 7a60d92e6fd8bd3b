-- Puts entries that `decide` has found and locked.
update SCHEMA.entries as entries set value = new.value, version = $4::uuid
from unnest($1::text[], $2::bytea[], $3::bytea[]) as new (space, key, value)
where current_setting('kisflow.commit') = 'yes'
    and entries.space = new.space and entries.key = new.key
