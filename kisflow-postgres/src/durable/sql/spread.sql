-- Adds to a share of each counter; `decide` has locked them against all but other additions.
with new as (
    select * from unnest($1::text[], $2::bytea[], $3::int8[]) as new (space, key, by)
    where current_setting('kisflow.commit') = 'yes'
),
marked as (
    update SCHEMA.entries as entries set count = coalesce(entries.count, 0), spread = true
    from new
    where entries.space = new.space and entries.key = new.key and not entries.spread
)
insert into SCHEMA.counter_shares as shares (space, key, share, sum)
select space, key, pg_backend_pid() % 32, by from new
on conflict (space, key, share) do update set sum = shares.sum + excluded.sum
