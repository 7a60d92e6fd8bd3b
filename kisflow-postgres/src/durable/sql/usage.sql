select coalesce(sum(entries), 0)::int8, coalesce(sum(bytes), 0)::int8 from SCHEMA.usage
where space = $1
