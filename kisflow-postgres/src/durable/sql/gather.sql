-- Takes the shares of counters that are locked for update back into their rows.
with wanted as (
    select * from unnest($1::text[], $2::bytea[]) as wanted (space, key)
),
shares as (
    delete from SCHEMA.counter_shares as shares using wanted
    where shares.space = wanted.space and shares.key = wanted.key
    returning shares.space, shares.key, shares.sum
),
sums as (
    select space, key, sum(sum) as sum
    from (select space, key, 0 as sum from wanted union all select * from shares) as parts
    group by space, key
)
update SCHEMA.entries as entries set spread = false,
    count = least(greatest(entries.count + sums.sum, -(2::numeric ^ 63)), 2::numeric ^ 63 - 1)
from sums
where entries.space = sums.space and entries.key = sums.key and entries.spread
