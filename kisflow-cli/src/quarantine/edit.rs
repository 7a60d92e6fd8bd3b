//! `quarantine edit`: a row is changed, and sent on.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, IsTerminal, Read},
    path::PathBuf,
};

use kisflow_core::{CsvForm, Quarantined, RetryFrom, RowText};
use kisflow_file::csv_line;

use super::{
    args::{Choice, EditArgs},
    editor, ids, json,
    retry::Sent,
    set,
    store::{Store, failed},
};
use crate::{args::Common, failure::Failure, terminal};

/// What a row is to be.
struct Written {
    /// JSON, on one line.
    row: String,
    /// The file that it was written to, which goes when the row is safe.
    file: Option<PathBuf>,
}

pub(super) async fn run(store: &Store, common: &Common, args: EditArgs) -> Result<(), Failure> {
    if !args.set.is_empty() {
        return set::run(store, common, args).await;
    }
    let from = args.from.retry();
    let id = match args.rows.choice()? {
        Choice::Ids(ids) if ids.len() == 1 => ids.into_iter().next().unwrap_or_default(),
        _ => return Err(Failure::usage("several rows are changed by `--set NAME=VALUE`")),
    };
    // Nothing is open while somebody writes.
    let row = ids::row(&store.look().await?, &id).await?;
    let written = match &args.row {
        Some(given) => Written { row: given_row(given, csv(&row, from))?, file: None },
        None => ask(&row, from)?,
    };
    let sent = send(store, &row, &written.row, from).await;
    let Some(file) = &written.file else { return sent?.tell(common) };
    match sent {
        Ok(sent) => {
            // It is in quarantine, or through. One that cannot be removed harms nobody.
            fs::remove_file(file).ok();
            sent.tell(common)
        }
        Err(failure) => {
            terminal::say(&format!("what you wrote is in {}\n", file.display()));
            Err(failure)
        }
    }
}

/// Puts the new row in the place of the old, and sends it on.
///
/// # Errors
///
/// When the new row may not be in quarantine.
async fn send(
    store: &Store,
    row: &Quarantined,
    written: &str,
    from: RetryFrom,
) -> Result<Sent, Failure> {
    let quarantine = store.open(&BTreeSet::from([row.flow.clone()])).await?;
    let done = quarantine.edit(&row.id, written.to_owned(), from).await;
    if let Err(error) = &done
        && error.is_unknown()
    {
        return Err(failed(error));
    }
    let mut sent = Sent::default();
    sent.take(&quarantine, &row.id, done).await?;
    Ok(sent)
}

/// What `--row` says: the row, a file that has it, or standard input. A row that came as a line of
/// CSV may be one again.
fn given_row(given: &str, csv: Option<&CsvForm>) -> Result<String, Failure> {
    let text = match given {
        "-" => {
            let mut text = String::new();
            let read = io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::io("cannot read the row", &error))?;
            text
        }
        json if is_json(json) => json.to_owned(),
        file => match (fs::read_to_string(file), csv) {
            (Ok(text), _) => text,
            (Err(_), Some(_)) => file.to_owned(),
            (Err(error), None) => {
                return Err(Failure::usage(format!("--row {file}: no JSON, and no file: {error}")));
            }
        },
    };
    as_json(&text, csv).map_err(|error| Failure::usage(format!("the row is {error}")))
}

/// A row as JSON, on one line.
///
/// # Errors
///
/// Why it is neither JSON nor, where that may be, a line of CSV.
fn as_json(text: &str, csv: Option<&CsvForm>) -> Result<String, String> {
    let error = match json::check(text) {
        // A line of CSV may be a number as well, and then is meant as what it was.
        Ok(()) if csv.is_none() || text.trim_start().starts_with(['{', '[']) => {
            return Ok(json::compact(text));
        }
        Ok(()) => String::new(),
        Err(error) => format!("not JSON: {error}"),
    };
    match csv {
        Some(form) if !text.trim_start().starts_with('{') => {
            csv_line(form, text).map_err(|error| {
                let fields = form.fields.join(&form.delimiter.to_string());
                format!("no line of CSV with the fields {fields}: {error}")
            })
        }
        _ => Err(error),
    }
}

/// Whether it is JSON, or meant to be.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) || json::check(text).is_ok()
}

/// How the row may be written as CSV: one that begins as it came from a source of CSV.
fn csv(row: &Quarantined, from: RetryFrom) -> Option<&CsvForm> {
    row.csv.as_ref().filter(|_| row.at == 0 || from == RetryFrom::Start)
}

/// Lets somebody write the row.
fn ask(row: &Quarantined, from: RetryFrom) -> Result<Written, Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::usage("there is no terminal to edit on: give the new row with --row"));
    }
    let old = old_text(row, from)?;
    let csv = csv(row, from);
    let file = editor::file(ids::short(&row.id), &json::pretty(&old).unwrap_or(old.clone()))?;
    let text = editor::edit(&file)?;
    let written = match as_json(&text, csv) {
        Ok(_) if text.trim_end() == old.trim_end() => json::compact(&old),
        Ok(written) => written,
        Err(error) => {
            let file = file.display();
            return Err(Failure::no(format!(
                "what you wrote is {error}, and was not sent on; it is in {file}: mend it, and say --row {file}"
            )));
        }
    };
    if written == json::compact(&old) {
        fs::remove_file(&file).ok();
        return Err(Failure::no("nothing was changed; `quarantine retry` sends a row on as it is"));
    }
    Ok(Written { row: written, file: Some(file) })
}

/// The text of the row where it is to begin.
fn old_text(row: &Quarantined, from: RetryFrom) -> Result<String, Failure> {
    // Where nobody knows what it was at the start, what it became is the best there is to go by.
    let text = match from {
        RetryFrom::Start => row.source_row().unwrap_or(&row.row),
        RetryFrom::Function => &row.row,
    };
    as_text(text).ok_or_else(|| {
        Failure::usage("the row is no text, which no editor can show: give the new row with --row")
    })
}

fn as_text(row: &RowText) -> Option<String> {
    String::from_utf8(row.bytes().to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::{CsvForm, Failure, given_row};

    fn check(given: &str, row: &str) {
        found(given, None, row);
    }

    fn check_csv(given: &str, row: &str) {
        found(given, Some(&CsvForm::new(["id", "article"])), row);
    }

    fn found(given: &str, csv: Option<&CsvForm>, row: &str) {
        let found = match given_row(given, csv) {
            Ok(row) => row,
            Err(Failure::Usage(message)) => message,
            Err(other) => panic!("{other:?}"),
        };
        assert!(found.starts_with(row), "{found}");
    }

    #[test]
    fn a_row_is_json_before_it_is_sent() {
        check("{ \"id\": 3,\n\"article\": \"tea\" }", r#"{"id":3,"article":"tea"}"#);
        check("7", "7");
        check("{\"id\": 3", "the row is not JSON: ");
        check("no/such/file", "--row no/such/file: no JSON, and no file: ");
    }

    #[test]
    fn a_row_that_came_as_csv_may_be_csv_again() {
        check_csv("3,tea", r#"{"id":3,"article":"tea"}"#);
        check_csv("3,\"{ \"\"a\"\" }\"\r\n", r#"{"id":3,"article":"{ \"a\" }"}"#);
        check_csv("{ \"id\": 3, \"article\": \"tea\" }", r#"{"id":3,"article":"tea"}"#);
        check_csv("{\"id\": 3", "the row is not JSON: ");
        check_csv(
            "3",
            "the row is no line of CSV with the fields id,article: 1 field, the header has 2",
        );
        check_csv(
            "3,tea\n4,cup",
            "the row is no line of CSV with the fields id,article: expected one",
        );
    }
}
