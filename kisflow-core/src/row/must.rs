//! [`Must`]: the fields that a function's conf demands of every row.

use super::{
    FieldNames, LackLog, cause, go,
    scan::{has_all, missing_field},
};
use crate::{
    conf::{FunctionConf, MustCheck, Origin, RowDefaults},
    error::BoxError,
    reject::Fault,
    row::{Emit, RawRow},
};

/// The most fields that one `must` may name.
pub(crate) const MUST_LIMIT: usize = 64;

/// `must` of one function.
#[derive(Debug)]
pub(crate) struct Must {
    /// Distinct, at most [`MUST_LIMIT`], in the order of the conf; none with `must: off`.
    fields: Vec<String>,
    /// `` `must` of `Total` (conf/total.yml:5)``.
    cite: String,
    defaults: RowDefaults,
    /// Limits the warnings of `must: warn`.
    lack_log: Option<LackLog>,
}

impl Must {
    /// `check` is what happens to rows that lack a field.
    pub(crate) fn new(conf: &FunctionConf, check: MustCheck, defaults: RowDefaults) -> Self {
        let mut fields: Vec<String> = Vec::new();
        for field in &conf.source.must {
            if check != MustCheck::Off && !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        let place = match &conf.origin {
            Origin::Code => String::new(),
            file => format!(" ({})", file.cite("source.must")),
        };
        let lack_log = (check == MustCheck::Warn).then(LackLog::default);
        Self { fields, cite: format!("`must` of `{}`{place}", conf.fname), defaults, lack_log }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// `` `must` of `Total` (conf/total.yml:5)``.
    pub(crate) fn cite(&self) -> &str {
        &self.cite
    }

    /// Limits the warnings, if the function gets rows that lack a field.
    pub(crate) fn lack_log(&self) -> Option<&LackLog> {
        self.lack_log.as_ref()
    }

    /// Checks a row of JSON.
    #[inline]
    pub(crate) fn fault_of_json(&self, index: usize, row: RawRow<'_>) -> Option<Fault> {
        let is_whole = self.defaults == RowDefaults::Require
            && cause::text(row).is_ok_and(|text| has_all(text.as_bytes(), &self.fields).is_some());
        if is_whole { None } else { self.search_json(index, row) }
    }

    /// Checks a row of JSON that does not have all fields at first sight.
    #[cold]
    fn search_json(&self, index: usize, row: RawRow<'_>) -> Option<Fault> {
        let missing = cause::text(row).and_then(|text| {
            let missing = match self.defaults {
                RowDefaults::Require => missing_field(text, &self.fields),
                RowDefaults::Go => go::missing_field(text, &self.fields),
            };
            missing.map_err(|error| self.no_object(text, error))
        });
        self.fault(index, missing)
    }

    /// Checks a row that is a value, by the names of its fields; a type that does not report them
    /// is written as JSON.
    #[inline]
    pub(crate) fn fault_of_value<T: Emit>(&self, index: usize, row: &T) -> Option<Fault> {
        let mut names = FieldNames::new(&self.fields);
        if self.defaults == RowDefaults::Require && row.name_fields(&mut names) {
            if names.is_complete() {
                return None;
            }
            return self.fault(index, Ok(names.missing()));
        }
        self.search_value(index, row)
    }

    /// Checks a value that does not report its fields.
    #[cold]
    fn search_value<T: Emit>(&self, index: usize, row: &T) -> Option<Fault> {
        let mut json = Vec::new();
        match row.encode(&mut json) {
            Ok(()) => self.fault_of_json(index, RawRow::Bytes(&json)),
            Err(cause) => Some(Fault { index, field: None, cause: cause.into() }),
        }
    }

    #[cold]
    fn fault(&self, index: usize, missing: Result<Option<&str>, BoxError>) -> Option<Fault> {
        let (field, cause) = match missing {
            Ok(None) => return None,
            Ok(Some(field)) => (
                Some(field.to_owned()),
                format!("the row has no field `{field}`, which `must` demands").into(),
            ),
            Err(cause) => (None, cause),
        };
        Some(Fault { index, field, cause: cause.into() })
    }

    /// The error of a row that is not an object, with the function that demands one. An object with
    /// a mistake in its text has that error instead.
    #[cold]
    fn no_object(&self, row: &str, error: BoxError) -> BoxError {
        if row.trim_start().starts_with('{') {
            return error;
        }
        let demanded = self.fields.first().map(String::as_str).unwrap_or_default();
        format!("the row is no JSON object, and {} demands `{demanded}`: {error}", self.cite).into()
    }
}
