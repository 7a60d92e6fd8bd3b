//! `feed --trace ROW`: what each function makes of one row.

use kisflow_core::{Batch, Report, RunError, Visit, error_chain};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    args::FeedArgs,
    input::Input,
    link::Linked,
    report::{Counts, note},
};
use crate::{
    args::Output,
    failure::Failure,
    terminal,
    text::{harmless, one_line},
};

/// One row's way: what `--output json` prints.
#[derive(Serialize)]
struct Traced {
    flow: String,
    dry_run: bool,
    #[serde(skip)]
    note: String,
    left_out: Vec<String>,
    number: u64,
    place: String,
    /// One for each call.
    visits: Vec<Visited>,
    rows: Counts,
    error: Option<String>,
}

#[derive(Serialize)]
struct Visited {
    function: String,
    /// `file:line` of a function that is written in this program.
    written_at: Option<String>,
    given: Vec<Box<RawValue>>,
    /// Nothing where the call failed.
    action: Option<String>,
    /// Nothing where the function hands nothing on.
    handed_on: Option<Vec<Box<RawValue>>>,
    rejected: Vec<Refused>,
}

#[derive(Serialize)]
struct Refused {
    field: Option<String>,
    cause: String,
}

pub(super) async fn run(
    linked: &Linked,
    mut input: Input,
    row: u64,
    args: &FeedArgs,
    output: Output,
) -> Result<(), Failure> {
    input.skip(row - 1).await?;
    let taken = input.next(1).await.map_err(Failure::No)?;
    let taken = taken.ok_or_else(|| input.too_short())?;
    let result = linked.flow.trace(taken.rows.batch().clone()).await;
    let traced = Traced::new(linked, args, row, taken.place(0), &result);
    match output {
        Output::Table => terminal::print(&harmless(&traced.render()))?,
        Output::Json => terminal::print_json(&traced)?,
    }
    match result {
        Ok(report) if report.rejected().is_empty() => Ok(()),
        _ => Err(Failure::Silent),
    }
}

impl Traced {
    fn new(
        linked: &Linked,
        args: &FeedArgs,
        number: u64,
        place: String,
        result: &Result<Report, RunError>,
    ) -> Self {
        let report = result.as_ref().unwrap_or_else(|error| error.report());
        Self {
            flow: linked.flow.name().to_owned(),
            dry_run: args.dry_run,
            note: note(args, &linked.left_out),
            left_out: linked.left_out.clone(),
            number,
            place,
            visits: report.visits().iter().map(|visit| Visited::new(linked, visit)).collect(),
            rows: report.rows().into(),
            error: result.as_ref().err().map(|error| error_chain(error).to_string()),
        }
    }

    fn render(&self) -> String {
        let mut text = self.note.clone();
        text += &format!("row {}, {}\n", self.number, self.place);
        for visit in &self.visits {
            text += &visit.render();
        }
        if let Some(error) = &self.error {
            text += &format!("  fails     {}\n", one_line(error));
        }
        text + &format!("\nflow {}: {}\n", self.flow, self.rows)
    }
}

impl Visited {
    fn new(linked: &Linked, visit: &Visit) -> Self {
        Self {
            function: visit.function.to_string(),
            written_at: linked.places.get(&*visit.function).map(ToString::to_string),
            given: rows(&visit.given),
            action: visit.action.as_ref().map(ToString::to_string),
            handed_on: visit.handed_on.as_ref().map(rows),
            rejected: visit
                .rejected
                .iter()
                .map(|reject| Refused {
                    field: reject.field().map(str::to_owned),
                    cause: error_chain(reject.cause()).to_string(),
                })
                .collect(),
        }
    }

    fn render(&self) -> String {
        let place = self.written_at.as_ref().map(|place| format!("  {place}")).unwrap_or_default();
        let mut text = format!("\n{}{place}\n", self.function);
        text += &lines("given", &self.given);
        let refused = self.rejected.iter().map(|Refused { field, cause }| match field {
            Some(field) => format!("  rejects   field `{field}`: {}\n", one_line(cause)),
            None => format!("  rejects   {}\n", one_line(cause)),
        });
        text.extend(refused);
        let action = self.action.as_deref();
        if let Some(action) = action.filter(|action| *action != "Next") {
            text += &format!("  action    {action}\n");
        }
        match &self.handed_on {
            Some(rows) if !rows.is_empty() => text += &lines("hands on", rows),
            _ if action.is_some() && self.rejected.is_empty() => text += "  hands on  no row\n",
            _ => {}
        }
        text
    }
}

/// Each row on a line, the first behind a word.
fn lines(word: &str, rows: &[Box<RawValue>]) -> String {
    let words = [word].into_iter().chain(std::iter::repeat(""));
    words.zip(rows).map(|(word, row)| format!("  {word:<10}{row}\n")).collect()
}

/// The rows as JSON; one that is no JSON as a text.
fn rows(batch: &Batch) -> Vec<Box<RawValue>> {
    let text = batch.to_ndjson();
    let text = text.unwrap_or_else(|error| format!("(rows that have no JSON form: {error})"));
    let json = |row: &str| serde_json::from_str(row).or_else(|_| to_raw_value(row));
    text.lines().filter_map(|row| json(row).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_no_json_are_shown_as_they_stand() {
        let text = lines("given", &rows(&Batch::json(["{\"a\":1.50}", "no json"])));
        assert_eq!(text, "  given     {\"a\":1.50}\n            \"no json\"\n");
    }
}
