//! [`LackLog`]: limits the warnings about rows that a function gets although they lack a field of
//! `must`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::reject::{Cause, Fault};

/// The least time between two warnings of the same field.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts rows that lack a field, by the field, from one warning to the next.
#[derive(Debug, Default)]
pub(crate) struct LackLog {
    /// `None` for rows that are no objects.
    by_field: Mutex<BTreeMap<Option<String>, Since>>,
}

/// What has happened since the last warning of a field.
#[derive(Debug, Default)]
struct Since {
    rows: usize,
    warned: Option<Instant>,
}

/// A warning that is due.
#[derive(Debug)]
pub(crate) struct LackWarning {
    pub(crate) field: Option<String>,
    /// The rows since the last warning.
    pub(crate) rows: usize,
    /// What is wrong with one of them.
    pub(crate) cause: Cause,
}

impl LackLog {
    /// Counts the rows of a batch, and returns the warnings that are due at `now`. The first rows
    /// that lack a field are due at once.
    pub(crate) fn count(&self, lacking: &[Fault], now: Instant) -> Vec<LackWarning> {
        // Counted before the lock is taken, without a copy of the field for each row.
        let mut batch: BTreeMap<Option<&String>, (usize, &Cause)> = BTreeMap::new();
        for Fault { field, cause, .. } in lacking {
            batch.entry(field.as_ref()).or_insert((0, cause)).0 += 1;
        }
        let mut by_field = self.by_field.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for (field, (rows, cause)) in batch {
            let field = field.cloned();
            let since = by_field.entry(field.clone()).or_default();
            since.rows += rows;
            if since.warned.is_none_or(|warned| now.duration_since(warned) >= PAUSE) {
                since.warned = Some(now);
                let rows = std::mem::take(&mut since.rows);
                due.push(LackWarning { field, rows, cause: cause.clone() });
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(fields: &[&str]) -> Vec<Fault> {
        let fault = |(index, field): (usize, &&str)| {
            let field = (!field.is_empty()).then(|| (*field).to_owned());
            Fault {
                index,
                field,
                cause: Box::<dyn std::error::Error + Send + Sync>::from("").into(),
            }
        };
        fields.iter().enumerate().map(fault).collect()
    }

    #[test]
    fn a_field_has_a_warning_every_ten_seconds_with_the_rows_since() {
        let (log, start) = (LackLog::default(), Instant::now());
        let check = |seconds: u64, fields: &[&str], expected: &[(&str, usize)]| {
            let due = log.count(&faults(fields), start + Duration::from_secs(seconds));
            let due = due.iter().map(|due| (due.field.as_deref().unwrap_or_default(), due.rows));
            assert_eq!(due.collect::<Vec<_>>(), expected, "after {seconds} s");
        };
        check(0, &[], &[]);
        check(0, &["a", "a"], &[("a", 2)]);
        check(1, &["a"], &[]);
        // Another field, and rows that are no objects, have warnings of their own.
        check(2, &["b", "a", ""], &[("", 1), ("b", 1)]);
        check(10, &["a", "b"], &[("a", 3)]);
        check(12, &["a", "b"], &[("b", 2)]);
        check(40, &[], &[]);
        check(40, &["a"], &[("a", 2)]);
    }
}
