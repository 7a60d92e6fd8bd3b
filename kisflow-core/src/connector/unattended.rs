//! Save and Load without a line of Rust: a function of the conf that no `#[faas]` claims.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use crate::{
    action::Action,
    conf::{Mode, RawParam, RawParams},
    error::Result,
    function::{Answer, Borrowed, BoundFunction, Call},
    link::Link,
    parameter::{BoundStore, Parameter, Store},
};

/// The rows: objects with any fields.
type Row = Map<String, Value>;

/// Every param of a Save or Load without code: its name, what it takes, and what it is for.
pub const PARAMS: [(&str, &str, &str); 3] = [
    ("id", "text", "The field that holds a record's id; required."),
    (
        "fields",
        "list of texts, or map",
        "The fields that are saved or loaded, as a list or with commas between them; left out, all of them. A map `{a: b}` says that the record's field `a` is the row's field `b`.",
    ),
    (
        "wait_ms",
        "whole number",
        "Load: how long it waits for a record that is not there, in milliseconds; left out, it does not wait.",
    ),
];

/// What the params say.
struct Unattended {
    store: BoundStore,
    /// The field that holds a record's id.
    id: String,
    /// `(field of the record, field of the row)`; empty for all fields.
    fields: Vec<(String, String)>,
    mode: Mode,
}

/// Binds a Save or Load to its connector's own storage, by the params `id` and `fields`.
pub(crate) fn bind(link: &mut Link<'_>, mode: Mode) -> Option<Arc<dyn BoundFunction>> {
    link.only_params(&PARAMS.map(|(name, ..)| name));
    let store = <Store<'static> as Parameter>::bind(link);
    let id = link.param::<String>("id");
    let fields = link.optional_param::<FieldNames>("fields");
    Some(Arc::new(Unattended {
        store: store?,
        id: id?,
        fields: fields?.map(|named| named.0).unwrap_or_default(),
        mode,
    }))
}

/// `[a, b]`, `"a, b"`, or `{a: b}`: the record's field `a` is the row's field `b`.
struct FieldNames(Vec<(String, String)>);

impl<'de> Deserialize<'de> for FieldNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let param = RawParam::deserialize(deserializer)?;
        Self::read(&param).ok_or_else(|| {
            D::Error::custom(
                "`fields` is a list of names, names with commas, or a map of record fields to row fields",
            )
        })
    }
}

impl FieldNames {
    fn read(param: &RawParam) -> Option<Self> {
        let same = |name: &str| (name.trim().to_owned(), name.trim().to_owned());
        let pairs: Option<Vec<_>> = match (param.as_list(), param.as_map()) {
            (Some(names), _) => names.iter().map(|name| name.as_str().map(same)).collect(),
            (_, Some(pairs)) => pairs
                .iter()
                .map(|(field, own)| Some((field.clone(), own.as_str()?.to_owned())))
                .collect(),
            _ => param.as_str().map(|names| names.split(',').map(same).collect()),
        };
        pairs.map(Self)
    }
}

/// The field that holds the id, and the fields of the row that are saved or loaded, as far as the
/// params say; without `fields` it is all of them.
pub(crate) fn fields(params: &RawParams) -> (Option<String>, Option<Vec<String>>) {
    let id = params.get("id").and_then(RawParam::as_str).map(str::to_owned);
    let named = params.get("fields").and_then(FieldNames::read);
    let fields = named.map(|named| named.0.into_iter().map(|(_, own)| own).collect());
    (id, fields)
}

impl BoundFunction for Unattended {
    fn call<'a>(&'a self, call: Call<'a>) -> Answer<'a> {
        match self.mode {
            Mode::Save => call.batch_async(move |rows: Borrowed<Row>| async move {
                let done = self.save(call, rows.rows()).await;
                call.finish_async(&rows, done)
            }),
            _ => call.batch_async(move |rows: Borrowed<Row>| async move {
                let done = self.load(call, rows.rows()).await;
                call.finish_async(&rows, done)
            }),
        }
    }
}

impl Unattended {
    async fn save(&self, call: Call<'_>, rows: &[Row]) -> Result<Action> {
        let mut records = Vec::with_capacity(rows.len());
        for (position, row) in rows.iter().enumerate() {
            match self.id_of(row).and_then(|id| Ok((id, self.record(row)?))) {
                Ok(record) => records.push(record),
                Err(cause) => call.cx().reject(position, cause),
            }
        }
        let store = <Store<'static> as Parameter>::get(&self.store, call.cx())?;
        store.put(records).await?;
        Ok(Action::Reuse)
    }

    async fn load(&self, call: Call<'_>, rows: &[Row]) -> Result<Vec<Row>> {
        let mut asked = Vec::with_capacity(rows.len());
        for (position, row) in rows.iter().enumerate() {
            match self.id_of(row) {
                Ok(id) => asked.push((position, row, id)),
                Err(cause) => call.cx().reject(position, cause),
            }
        }
        let store = <Store<'static> as Parameter>::get(&self.store, call.cx())?;
        let found = store.get::<Row>(asked.iter().map(|(_, _, id)| id)).await?;
        let mut joined = Vec::with_capacity(asked.len());
        for ((position, row, _), record) in asked.into_iter().zip(found) {
            match record.map_err(Into::into).and_then(|record| self.join(row, record)) {
                Ok(row) => joined.push(row),
                Err(cause) => call.cx().reject(position, cause),
            }
        }
        Ok(joined)
    }

    fn id_of<'r>(&self, row: &'r Row) -> Result<Cow<'r, str>> {
        match row.get(&self.id) {
            Some(Value::String(id)) => Ok(id.into()),
            Some(id @ (Value::Number(_) | Value::Bool(_))) => Ok(id.to_string().into()),
            Some(other) => Err(format!("field `{}` is {other}, which is no id", self.id).into()),
            None => Err(format!("the row has no field `{}`, which is its id", self.id).into()),
        }
    }

    /// The fields to save.
    fn record(&self, row: &Row) -> Result<Row> {
        if self.fields.is_empty() {
            return Ok(row.clone());
        }
        let field = |(record, own): &(String, String)| match row.get(own) {
            Some(value) => Ok((record.clone(), value.clone())),
            None => Err(format!("the row has no field `{own}`, which is to be saved").into()),
        };
        self.fields.iter().map(field).collect()
    }

    /// The row with the fields that were loaded.
    fn join(&self, row: &Row, mut record: Row) -> Result<Row> {
        let mut joined = row.clone();
        if self.fields.is_empty() {
            joined.append(&mut record);
            return Ok(joined);
        }
        for (field, own) in &self.fields {
            match record.remove(field) {
                Some(value) => joined.insert(own.clone(), value),
                None => return Err(format!("the record has no field `{field}`").into()),
            };
        }
        Ok(joined)
    }
}
