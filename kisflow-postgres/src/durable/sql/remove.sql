with gone as (
    select * from unnest($1::text[], $2::bytea[]) as gone (space, key)
    where current_setting('kisflow.commit') = 'yes'
),
shares as (
    delete from SCHEMA.counter_shares as shares using gone
    where shares.space = gone.space and shares.key = gone.key
)
delete from SCHEMA.entries as entries using gone
where entries.space = gone.space and entries.key = gone.key
