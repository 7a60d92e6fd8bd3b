//! [`Tables`]: the schema, and its tables where they are missing.

use deadpool_postgres::Client;
use tokio_postgres::Error as DriverError;

/// What the statements of this crate call the schema.
const SCHEMA: &str = "SCHEMA.";

const NAMES: [&str; 4] = ["counter_shares", "entries", "records", "usage"];

/// Only one of several processes creates tables at a time: `if not exists` fails if another one
/// creates the same table meanwhile. The number is "kisflow" in ASCII.
const LOCK: &str = "select pg_advisory_xact_lock(30233766868578167)";

/// The schema that holds the tables.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    schema: String,
}

impl Tables {
    pub(crate) fn new(schema: &str) -> Self {
        Self { schema: schema.to_owned() }
    }

    fn quoted(&self) -> String {
        format!("\"{}\"", self.schema.replace('"', "\"\""))
    }

    /// A statement with the schema in its place.
    pub(crate) fn sql(&self, text: &str) -> String {
        text.replace(SCHEMA, &format!("{}.", self.quoted()))
    }

    /// What [`create`](Self::create) does, for messages.
    pub(crate) fn creation(&self) -> String {
        format!("create the schema {} and its tables", self.quoted())
    }

    /// Creates the tables that are missing. A user who may not create any can use those that are
    /// there. After an error the connection may be in a failed transaction.
    pub(crate) async fn create(&self, client: &Client) -> Result<(), DriverError> {
        let found = "select count(relname), count(*) from pg_catalog.pg_namespace as n \
            left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = any($2) \
            and c.relkind in ('r', 'p', 'v', 'f') where n.nspname = $1";
        let found = client.query_one(found, &[&self.schema, &NAMES.as_slice()]).await?;
        let (tables, rows): (i64, i64) = (found.try_get(0)?, found.try_get(1)?);
        if tables == NAMES.len() as i64 {
            return Ok(());
        }
        // This needs a permission even if the schema is there.
        let schema = match rows {
            0 => format!("create schema if not exists {};", self.quoted()),
            _ => String::new(),
        };
        let tables = self.sql(include_str!("tables.sql"));
        client.batch_execute(&format!("begin; {LOCK}; {schema} {tables} commit")).await
    }
}

#[cfg(test)]
mod tests {
    use super::Tables;

    #[test]
    fn any_name_is_a_schema() {
        let sql = |schema| Tables::new(schema).sql("select from SCHEMA.entries");
        assert_eq!(sql("kisflow"), "select from \"kisflow\".entries");
        assert_eq!(sql("My \"own\""), "select from \"My \"\"own\"\"\".entries");
    }
}
