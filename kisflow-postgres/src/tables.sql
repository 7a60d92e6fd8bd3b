-- An entry has a value and a version. A counter has a count instead; where `spread` is set, the
-- rest of it is in counter_shares. A row with neither is no entry: commits lock it in place of one.
create table if not exists SCHEMA.entries (
    space text collate "C" not null,
    key bytea not null,
    value bytea,
    version uuid,
    count bigint,
    spread boolean not null default false,
    primary key (space, key)
);
-- Parts of counters: those who add to different ones do not wait for each other.
create table if not exists SCHEMA.counter_shares (
    space text collate "C" not null,
    key bytea not null,
    share smallint not null,
    sum bigint not null,
    primary key (space, key, share)
) with (fillfactor = 50);
-- How much the spaces hold, also in parts.
create table if not exists SCHEMA.usage (
    space text collate "C" not null,
    share smallint not null,
    entries bigint not null,
    bytes bigint not null,
    primary key (space, share)
) with (fillfactor = 50);
-- Records: a row for each field.
create table if not exists SCHEMA.records (
    key text collate "C" not null,
    field text collate "C" not null,
    value text not null,
    primary key (key, field)
);
