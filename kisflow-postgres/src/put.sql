with gone as (
    delete from SCHEMA.records as records
    using unnest($4::text[], $5::text[]) as gone (key, field)
    where records.key = gone.key and records.field = gone.field
)
insert into SCHEMA.records as records (key, field, value)
select * from unnest($1::text[], $2::text[], $3::text[])
on conflict (key, field) do update set value = excluded.value
