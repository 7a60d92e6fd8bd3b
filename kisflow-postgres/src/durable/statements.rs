//! [`Statements`]: the SQL of [`PostgresDurable`](super::PostgresDurable).

use crate::tables::Tables;

/// The SQL, with the name of the schema in it.
pub(super) struct Statements {
    pub(super) add: String,
    pub(super) append: String,
    pub(super) decide: String,
    pub(super) gather: String,
    pub(super) hold: String,
    pub(super) lock: String,
    pub(super) put: String,
    pub(super) put_new: String,
    pub(super) read: String,
    pub(super) remove: String,
    pub(super) replace: String,
    pub(super) spread: String,
    pub(super) usage: String,
    scans: [String; 8],
}

impl Statements {
    pub(super) fn new(tables: &Tables) -> Self {
        Self {
            add: tables.sql(include_str!("sql/add.sql")),
            append: tables.sql(include_str!("sql/append.sql")),
            decide: tables.sql(include_str!("sql/decide.sql")),
            gather: tables.sql(include_str!("sql/gather.sql")),
            hold: tables.sql(include_str!("sql/hold.sql")),
            lock: tables.sql(include_str!("sql/lock.sql")),
            put: tables.sql(include_str!("sql/put.sql")),
            put_new: tables.sql(include_str!("sql/put_new.sql")),
            read: tables.sql(include_str!("sql/read.sql")),
            remove: tables.sql(include_str!("sql/remove.sql")),
            replace: tables.sql(include_str!("sql/replace.sql")),
            spread: tables.sql(include_str!("sql/spread.sql")),
            usage: tables.sql(include_str!("sql/usage.sql")),
            scans: std::array::from_fn(|form| {
                let [is_bounded, is_backwards, is_keys_only] = [1, 2, 4].map(|bit| form & bit != 0);
                tables.sql(&scan(is_bounded, is_backwards, is_keys_only))
            }),
        }
    }

    /// The statement of a scan: `$1` is the space, `$2` the first key, `$3` the most entries, `$4`
    /// the key behind the last one if the scan has an upper bound.
    pub(super) fn scan(&self, is_bounded: bool, is_backwards: bool, is_keys_only: bool) -> &str {
        let form = usize::from(is_bounded)
            | usize::from(is_backwards) << 1
            | usize::from(is_keys_only) << 2;
        self.scans.get(form).map_or("", String::as_str)
    }
}

/// A page ends when it has 16 MiB, but has one entry at least.
fn scan(is_bounded: bool, is_backwards: bool, is_keys_only: bool) -> String {
    let upper = if is_bounded { "and key < $4" } else { "" };
    let direction = if is_backwards { "desc" } else { "asc" };
    let (value, total) = match is_keys_only {
        true => ("null::bytea", "null::text"),
        false => (
            "value",
            "(count + (select coalesce(sum(shares.sum), 0) from SCHEMA.counter_shares as shares \
                where page.spread and shares.space = $1 and shares.key = page.key))::text",
        ),
    };
    let size = if is_keys_only { "0" } else { "coalesce(octet_length(value), 0)" };
    format!(
        "select key, {value} as value, version, {total} as total from ( \
            select *, sum({size}) over (order by key {direction} rows unbounded preceding) \
                - {size} as before \
            from SCHEMA.entries where space = $1 and key >= $2 {upper} \
                and (value is not null or count is not null) \
            order by key {direction} limit $3 \
        ) as page where before < 16777216 order by key {direction}"
    )
}
