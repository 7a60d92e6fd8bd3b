//! [`Rejected`]: a row that was refused, with its place in the input.

use std::fmt;

use indicatif::HumanCount;
use kisflow_core::{Reject, Report, RowText, error_chain};
use serde::Serialize;

use super::input::Taken;
use crate::text::one_line;

/// A row that was refused: a line of `--rejected FILE`, with the keys that quarantine has.
#[derive(Serialize)]
pub(super) struct Rejected {
    /// Its number in the input, from 1; nothing where a function before made new rows and did not
    /// say of which.
    number: Option<u64>,
    /// Where its line begins; `first..last` of its batch where the number is not known.
    place: String,
    function: String,
    field: Option<String>,
    cause: String,
    /// The row as it reached the function.
    row: RowText,
    /// The row as it came, where that is known and is not `row` itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<RowText>,
}

impl Rejected {
    /// The rows that a run has refused, in the order of the input.
    pub(super) fn of(taken: &Taken, report: &Report) -> Vec<Self> {
        let rejects = report.rejected();
        let mut rejected: Vec<_> = rejects.iter().map(|reject| Self::new(taken, reject)).collect();
        rejected.sort_by_key(|rejected| rejected.number);
        rejected
    }

    fn new(taken: &Taken, reject: &Reject) -> Self {
        let origin = reject.origin();
        let row = RowText::from(reject.row().clone());
        let last = taken.rows.batch().len().saturating_sub(1);
        let came = origin.map(|origin| RowText::from(taken.rows.batch().row_text(origin)));
        let came = came.filter(|came| *came != row);
        Self {
            number: origin.map(|origin| taken.first + origin as u64),
            place: match origin {
                Some(origin) => taken.place(origin),
                None => format!("{}..{}", taken.place(0), taken.place(last)),
            },
            function: reject.function().to_owned(),
            field: reject.field().map(str::to_owned),
            cause: error_chain(reject.cause()).to_string(),
            origin: came,
            row,
        }
    }
}

/// `row 3, orders.ndjson:70: Price, field `article`: why`.
impl fmt::Display for Rejected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, place, function, field, cause, .. } = self;
        match number {
            Some(number) => write!(formatter, "row {}, {place}: ", HumanCount(*number))?,
            None => write!(formatter, "a row of {place}: ")?,
        }
        formatter.write_str(function)?;
        if let Some(field) = field {
            write!(formatter, ", field `{field}`")?;
        }
        write!(formatter, ": {}", one_line(cause))
    }
}
