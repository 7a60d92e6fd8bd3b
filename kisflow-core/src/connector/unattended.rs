//! Save and Load without code: a function of the conf without a `#[faas]`.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    Fields,
    object::{Kept, Object},
    record_id::{NoId, RecordId},
};
use crate::{
    action::Action,
    conf::{Mode, RawParam, RawParams},
    error::{BoxError, Result},
    function::{Answer, Borrowed, BoundFunction, Call},
    link::Link,
    parameter::{BoundStore, Parameter, RecordError, Store},
};

/// Every param of a Save or Load without code: its name, what it takes, and what it is for.
pub const PARAMS: [(&str, &str, &str); 4] = [
    (
        "id",
        "text, or list of texts",
        "The field that holds a record's id, or a list of fields that are it together; required.",
    ),
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
    (
        "missing",
        "`reject` or `pass`",
        "Load: what becomes of a row without a record, or whose id is null: it is rejected, or it goes on as it came; left out, it is rejected.",
    ),
];

/// What the params say.
struct Unattended {
    store: BoundStore,
    /// The fields of the record's id.
    id: RecordId,
    /// `(field of the record, field of the row)`; empty for all fields.
    fields: Vec<(String, String)>,
    missing: Missing,
    mode: Mode,
}

/// What happens to a row without a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Missing {
    /// It is rejected.
    #[default]
    Reject,
    /// It goes on unchanged.
    Pass,
}

/// Binds a Save or Load to its connector's own storage, by the params `id`, `fields` and `missing`.
pub(crate) fn bind(link: &mut Link<'_>, mode: Mode) -> Option<Arc<dyn BoundFunction>> {
    link.only_params(&PARAMS.map(|(name, ..)| name));
    let store = <Store<'static> as Parameter>::bind(link);
    let id = link.param::<RecordId>("id");
    if id.as_ref().is_some_and(|id| id.fields().is_empty()) {
        link.param_problem("id", "the param `id` names no field");
        return None;
    }
    let fields = link.optional_param::<FieldNames>("fields");
    let missing = link.optional_param::<Missing>("missing");
    if mode == Mode::Save && matches!(missing, Some(Some(_))) {
        link.param_problem("missing", "the param `missing` is for Load; a Save misses no record");
        return None;
    }
    Some(Arc::new(Unattended {
        store: store?,
        id: id?,
        fields: fields?.map(|named| named.0).unwrap_or_default(),
        missing: missing?.unwrap_or_default(),
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

/// The effect of a Save or Load without code on rows, as far as its params say.
#[derive(Default)]
pub(crate) struct FieldUse {
    /// The fields that hold the id.
    pub(crate) id: Vec<String>,
    /// The fields of the row that are saved or loaded; without `fields` it is all of them.
    pub(crate) fields: Option<Vec<String>>,
    /// Whether a row may go on without its record.
    pub(crate) may_miss: bool,
}

pub(crate) fn fields(params: &RawParams) -> FieldUse {
    let id = params.read_one::<RecordId>("id").and_then(Result::ok);
    let named = params.get("fields").and_then(FieldNames::read);
    FieldUse {
        id: id.map(|id| id.fields().to_vec()).unwrap_or_default(),
        fields: named.map(|named| named.0.into_iter().map(|(_, own)| own).collect()),
        may_miss: params.get("missing").and_then(RawParam::as_str) == Some("pass"),
    }
}

impl BoundFunction for Unattended {
    fn call<'a>(&'a self, call: Call<'a>) -> Answer<'a> {
        match self.mode {
            Mode::Save => call.batch_async(move |rows: Borrowed<Object>| async move {
                let done = self.save(call, rows.rows()).await;
                call.finish_async(&rows, done)
            }),
            _ => call.batch_async(move |rows: Borrowed<Object>| async move {
                let done = self.load(call, rows.rows()).await;
                call.finish_async(&rows, done)
            }),
        }
    }
}

impl Unattended {
    async fn save(&self, call: Call<'_>, rows: &[Object]) -> Result<Action> {
        let mut records = Vec::with_capacity(rows.len());
        for (position, row) in rows.iter().enumerate() {
            let id = self.id.of(row).map_err(BoxError::from);
            match id.and_then(|id| Ok((id, self.record(row)?))) {
                Ok(record) => records.push(record),
                Err(cause) => call.cx().reject(position, cause),
            }
        }
        let store = <Store<'static> as Parameter>::get(&self.store, call.cx())?;
        store.put_fields(records).await?;
        Ok(Action::Reuse)
    }

    async fn load(&self, call: Call<'_>, rows: &[Object]) -> Result<Vec<Object>> {
        let mut joined: Vec<Option<Object>> = vec![None; rows.len()];
        let mut asked = Vec::with_capacity(rows.len());
        for (position, (row, joined)) in rows.iter().zip(&mut joined).enumerate() {
            match self.id.of(row) {
                Ok(id) => asked.push((position, id)),
                Err(NoId::Null(_)) if self.missing == Missing::Pass => *joined = Some(row.clone()),
                Err(none) => call.cx().reject(position, none),
            }
        }
        let store = <Store<'static> as Parameter>::get(&self.store, call.cx())?;
        let found = store.get_fields(asked.iter().map(|(_, id)| id)).await?;
        for ((position, _), record) in asked.into_iter().zip(found) {
            let (Some(row), Some(slot)) = (rows.get(position), joined.get_mut(position)) else {
                continue;
            };
            match self.join(row, record) {
                Ok(row) => *slot = Some(row),
                Err(cause) => call.cx().reject(position, cause),
            }
        }
        Ok(joined.into_iter().flatten().collect())
    }

    /// The fields to save, as text; `None` for null.
    fn record(&self, row: &Object) -> Result<Vec<(Cow<'static, str>, Option<String>)>> {
        let text = |kept| match kept {
            Kept::Null => None,
            Kept::Text(text) | Kept::Scalar(text) | Kept::Nested(text) => Some(text),
        };
        if self.fields.is_empty() {
            let field = |field: Result<(&str, Kept)>| {
                field.map(|(name, value)| (name.to_owned().into(), text(value)))
            };
            return row.fields().map(field).collect();
        }
        let field = |(record, own): &(String, String)| match row.get(own)? {
            Some(value) => Ok((record.clone().into(), text(value))),
            None => Err(format!("the row has no field `{own}`, which is to be saved").into()),
        };
        self.fields.iter().map(field).collect()
    }

    /// The row with the fields that were loaded.
    fn join(&self, row: &Object, record: Result<(String, Fields), RecordError>) -> Result<Object> {
        let mut joined = row.clone();
        let record = match record {
            Err(RecordError::Missing { .. }) if self.missing == Missing::Pass => return Ok(joined),
            record => record?.1,
        };
        if self.fields.is_empty() {
            for (name, text) in &record {
                joined.set(name, text)?;
            }
        }
        for (field, own) in &self.fields {
            match record.iter().find(|(name, _)| name == field) {
                Some((_, text)) => joined.set(own, text)?,
                None if self.missing == Missing::Pass => {}
                None => return Err(format!("the record has no field `{field}`").into()),
            }
        }
        joined.sort();
        Ok(joined)
    }
}
