select wanted.at, entries.value, entries.version, (
    entries.count + (
        select coalesce(sum(shares.sum), 0) from SCHEMA.counter_shares as shares
        where entries.spread and shares.space = wanted.space and shares.key = wanted.key
    )
)::text as total
from unnest($1::text[], $2::bytea[]) with ordinality as wanted (space, key, at)
join SCHEMA.entries as entries on entries.space = wanted.space and entries.key = wanted.key
where entries.value is not null or entries.count is not null
