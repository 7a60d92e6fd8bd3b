//! Records: a row for each field.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use kisflow_core::{Fields, Record, Result, Storage, async_trait};

use crate::{connect::Postgres, error::PostgresError, pool::Connections};

/// The most fields, and about the most bytes, of one statement.
const MOST_FIELDS: usize = 20_000;
const MOST_BYTES: usize = 16 << 20;

/// Sets fields and removes others, each in the order of the keys.
const PUT: &str = include_str!("put.sql");
const GET: &str = "select key, field, value from SCHEMA.records where key = any($1)";
const REMOVE: &str = "delete from SCHEMA.records where key = any($1)";

/// The statements of records, and the connections for them.
pub(crate) struct Records {
    connections: Arc<Connections>,
    put: String,
    get: String,
    remove: String,
}

impl Records {
    pub(crate) fn new(connections: Arc<Connections>) -> Self {
        let [put, get, remove] = [PUT, GET, REMOVE].map(|sql| connections.tables.sql(sql));
        Self { connections, put, get, remove }
    }

    async fn write(&self, fields: &[Field]) -> Result<(), PostgresError> {
        let set = fields.iter().filter_map(|(place, value)| Some((place, value.as_deref()?)));
        let (mut keys, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for ((key, name), value) in set {
            keys.push(&**key);
            names.push(&**name);
            values.push(value);
        }
        let gone = fields.iter().filter(|(_, value)| value.is_none());
        let (gone_keys, gone_names): (Vec<&str>, Vec<&str>) =
            gone.map(|((key, name), _)| (&**key, &**name)).unzip();
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&keys, &names, &values, &gone_keys, &gone_names];
        self.connections.repeated("write records", &self.put, &params).await?;
        Ok(())
    }
}

/// Key and name of a field, and its value.
type Field = ((String, String), Option<String>);

/// Each statement is atomic; a batch of more than 20,000 fields or 16 MiB
/// takes several.
///
/// Text is stored as it is, so that other programs can read and write it. Only a NUL, which
/// Postgres does not take, is written as U+0001 and `0`, and U+0001 as U+0001 and `1`. Key and
/// name of a field together may have about 2,700 bytes.
///
/// # Errors
///
/// A [`PostgresError`].
///
/// # Cancel safety
///
/// A statement that was sent takes effect completely, or has no effect.
#[async_trait]
impl Storage for Postgres {
    async fn put(&self, records: Vec<Record>) -> Result<()> {
        // Of one field twice the later wins, and the order of the keys keeps deadlocks away.
        let mut fields: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
        for record in records {
            let key = stored(&record.key).into_owned();
            for (name, value) in record.fields {
                let value = value.map(|value| stored(&value).into_owned());
                fields.insert((key.clone(), stored(&name).into_owned()), value);
            }
        }
        let (mut part, mut bytes) = (Vec::new(), 0);
        for field in fields {
            let ((key, name), value) = &field;
            bytes += key.len() + name.len() + value.as_ref().map_or(0, String::len);
            part.push(field);
            if part.len() >= MOST_FIELDS || bytes >= MOST_BYTES {
                self.records.write(&std::mem::take(&mut part)).await?;
                bytes = 0;
            }
        }
        if !part.is_empty() {
            self.records.write(&part).await?;
        }
        Ok(())
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Fields>>> {
        let keys: Vec<Cow<'_, str>> = keys.iter().map(|key| stored(key)).collect();
        let mut found: BTreeMap<String, Fields> = BTreeMap::new();
        for part in keys.chunks(MOST_FIELDS) {
            let asked: Vec<&str> = part.iter().map(|key| &**key).collect();
            for row in
                self.records.connections.rows("read records", &self.records.get, &[&asked]).await?
            {
                let field = (given(row.try_get(1)?), given(row.try_get(2)?));
                found.entry(row.try_get(0)?).or_default().push(field);
            }
        }
        Ok(keys.iter().map(|key| found.get(&**key).cloned()).collect())
    }

    async fn remove(&self, keys: &[String]) -> Result<()> {
        let keys: Vec<Cow<'_, str>> = keys.iter().map(|key| stored(key)).collect();
        for part in keys.chunks(MOST_FIELDS) {
            let asked: Vec<&str> = part.iter().map(|key| &**key).collect();
            self.records
                .connections
                .repeated("remove records", &self.records.remove, &[&asked])
                .await?;
        }
        Ok(())
    }
}

/// A text as it is stored.
fn stored(text: &str) -> Cow<'_, str> {
    match text.contains(['\0', '\u{1}']) {
        false => Cow::Borrowed(text),
        true => text.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0").into(),
    }
}

/// A stored text as it was.
fn given(text: String) -> String {
    match text.contains('\u{1}') {
        false => text,
        true => text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_stored_without_a_nul_and_comes_back() {
        for text in ["", "plain", "\0", "\u{1}", "\u{1}0", "\0\u{1}1\0", "a\u{1}\0b"] {
            let stored = stored(text);
            assert!(!stored.contains('\0'), "{text:?}");
            assert_eq!(given(stored.into_owned()), text, "{text:?}");
        }
    }
}
