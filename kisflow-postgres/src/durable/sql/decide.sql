-- Locks the keys of a commit, decides whether it takes effect, and says so to the statements behind
-- it in the same transaction: kisflow.commit is `yes` then. Returns one row if so, otherwise a row
-- for each key.
--
-- A key is locked for update if the commit changes it (lock 2), for share if it only checks it (1),
-- and for key share if it adds without a maximum (0). The rows are locked in the order in which
-- they are given.
with wanted as (
    select * from unnest(
        $1::text[], $2::bytea[], $3::int2[], $4::int2[], $5::uuid[], $6::bytea[], $7::int2[],
        $8::int8[], $9::int8[]
    ) with ordinality as wanted (space, key, lock, checks, expected, bound, change, by, most, at)
),
locked as materialized (
    select wanted.*, found.space is not null as is_row, found.value, found.version, found.count,
        found.spread,
        case wanted.change when 3 then coalesce(found.count, 0) + (
            select coalesce(sum(shares.sum), 0) from SCHEMA.counter_shares as shares
            where shares.space = wanted.space and shares.key = wanted.key
        ) else found.count end as total
    from wanted left join lateral (
        select * from (
            select * from SCHEMA.entries as entries
            where entries.space = wanted.space and entries.key = wanted.key and wanted.lock = 2
            for update
        ) as changed
        union all
        select * from (
            select * from SCHEMA.entries as entries
            where entries.space = wanted.space and entries.key = wanted.key and wanted.lock = 1
            for share
        ) as checked
        union all
        select * from (
            select * from SCHEMA.entries as entries
            where entries.space = wanted.space and entries.key = wanted.key and wanted.lock = 0
            for key share
        ) as added
    ) as found on true
),
decided as materialized (
    select bool_and(
        case checks
            -- Absent. A row without a value is none.
            when 1 then value is null and count is null
            when 2 then coalesce(version = expected, false)
            -- Below. The row has to be there, or another commit could put it meanwhile.
            when 3 then is_row and count is null and coalesce(value < bound, true)
            else true
        end
        and case change
            -- Put. A mark with the commit's own id: it took effect before.
            when 1 then count is null and (checks = 0 or version is distinct from $10::uuid)
            when 2 then is_row
            -- Add. Far from the ends of 64 bits nobody has to know the sum.
            when 3 then is_row and value is null
                and coalesce(total, 0) + by between -(2::numeric ^ 62) and 2::numeric ^ 62
            else
                -- Add with a maximum (4), append (5): what is appended adds to its group.
                change = 0 or is_row and value is null and not spread
                and coalesce(total, 0)::numeric + by between -(2::numeric ^ 63) and most
        end
    ) as is_yes,
    count(*) filter (where change = 1 and checks = 0 and not is_row) as missing
    from locked
),
said as materialized (
    select set_config('kisflow.commit', case when is_yes then 'yes' else 'no' end, true) = 'yes'
            as is_yes,
        set_config('kisflow.missing', missing::text, true)
    from decided
),
counted as (
    insert into SCHEMA.usage as usage (space, share, entries, bytes)
    select space, pg_backend_pid() % 64, sum(entries), sum(bytes)
    from (
        select * from unnest($11::text[], $12::int8[], $13::int8[]) as new (space, entries, bytes)
        union all
        select space, -1, -(octet_length(key) + octet_length(value))::int8
        from locked where change in (1, 2) and value is not null
    ) as changes
    where (select is_yes from said)
    group by space having sum(entries) <> 0 or sum(bytes) <> 0
    order by space
    on conflict (space, share) do update set
        entries = usage.entries + excluded.entries, bytes = usage.bytes + excluded.bytes
)
select said.is_yes, locked.at, locked.is_row, locked.value is not null as is_entry,
    case when locked.count is not null then locked.total::text end as total,
    case locked.checks when 3 then locked.value end as value, locked.version, locked.spread
from said left join locked on not said.is_yes
