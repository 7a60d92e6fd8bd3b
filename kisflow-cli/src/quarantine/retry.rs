//! `quarantine retry`: rows are sent on, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::{ProgressBar, ProgressStyle};
use kisflow_core::{Quarantine, QuarantineError, QuarantineFilter, RetryReport, fold_cause};
use serde::Serialize;
use tokio::task::yield_now;

use super::{
    args::{Choice, From, RetryArgs},
    ids, known,
    store::{Store, failed},
};
use crate::{
    args::{Common, Output},
    failure::Failure,
    signal::told_to_stop,
    terminal,
    text::{one_line, rows},
};

/// How many of the rows that stay are listed.
const LISTED: usize = 20;

pub(super) async fn run(store: &Store, common: &Common, args: RetryArgs) -> Result<(), Failure> {
    let choice = args.rows.choice()?;
    // What keeps the rows may be open once at a time: it is looked at, let go, and opened with the
    // flows that the rows need.
    let (ids, flows) = chosen(store, choice).await?;
    let quarantine = store.open(&flows).await?;
    send(&quarantine, &ids, args.from).await?.tell(common)
}

/// One row after the other, until somebody wants it to end.
async fn send(quarantine: &Quarantine, ids: &[String], from: From) -> Result<Sent, Failure> {
    let mut sent = Sent::default();
    let told = told_to_stop();
    let bar = progress(ids.len());
    for (tried, id) in ids.iter().enumerate() {
        // Where the functions do not wait, nobody would hear of a signal.
        yield_now().await;
        if told.is_cancelled() {
            sent.leave(ids.len() - tried);
            break;
        }
        let done = quarantine.retry(id, from.retry()).await;
        sent.take(quarantine, id, done).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(sent)
}

/// The ids of the rows that are meant, and their flows.
pub(super) async fn chosen(
    store: &Store,
    choice: Choice,
) -> Result<(Vec<String>, BTreeSet<String>), Failure> {
    let quarantine = store.look().await?;
    match choice {
        Choice::Ids(given) => {
            let rows = ids::rows(&quarantine, &given).await?;
            Ok(rows.into_iter().map(|row| (row.id, row.flow)).unzip())
        }
        Choice::All(filter) => {
            let (ids, flows) = all(&quarantine, &filter).await.map_err(|error| failed(&error))?;
            if ids.is_empty() {
                known::check(&quarantine, store.conf(), &filter).await?;
            }
            Ok((ids, flows))
        }
    }
}

async fn all(
    quarantine: &Quarantine,
    filter: &QuarantineFilter,
) -> Result<(Vec<String>, BTreeSet<String>), QuarantineError> {
    let counts = quarantine.stats(filter).await?;
    let flows = counts.into_iter().map(|count| count.flow).collect();
    Ok((quarantine.ids(filter).await?, flows))
}

/// Shows how far many rows are; nothing where nobody watches.
pub(super) fn progress(count: usize) -> ProgressBar {
    if count < 2 || !terminal::is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} rows") {
        bar.set_style(style);
    }
    bar
}

/// What became of rows that were sent on.
#[derive(Default, Serialize)]
pub(super) struct Sent {
    delivered: u64,
    /// Rows that failed again, or could not be sent on.
    failed: u64,
    /// Each of those.
    stay: Vec<Stay>,
    /// Rows that were left when somebody wanted it to end.
    not_tried: usize,
}

#[derive(Serialize)]
struct Stay {
    id: String,
    /// The function that could not process it; none where it was not sent on.
    function: Option<String>,
    cause: String,
}

/// Rows that failed again for one reason.
#[derive(Serialize)]
struct Again {
    rows: u64,
    function: Option<String>,
    /// Folded, as `stats` shows it.
    cause: String,
    /// The id of one of them.
    example_id: String,
}

/// What `--output json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    /// Rows that were sent on.
    retried: u64,
    #[serde(flatten)]
    sent: &'a Sent,
    /// Those that failed again by cause, the most first.
    causes: Vec<Again>,
}

impl Sent {
    /// Rows that failed again by function and cause, the most first.
    fn causes(&self) -> Vec<Again> {
        let mut causes: BTreeMap<(Option<String>, String), Again> = BTreeMap::new();
        for Stay { id, function, cause } in &self.stay {
            let cause = fold_cause(cause);
            let again = || Again {
                rows: 0,
                function: function.clone(),
                cause: cause.clone(),
                example_id: id.clone(),
            };
            causes.entry((function.clone(), cause.clone())).or_insert_with(again).rows += 1;
        }
        let mut causes: Vec<Again> = causes.into_values().collect();
        causes.sort_by_key(|again| std::cmp::Reverse(again.rows));
        causes
    }

    /// So many rows are not tried.
    pub(super) fn leave(&mut self, rows: usize) {
        self.not_tried = rows;
    }

    /// Takes note of a row.
    ///
    /// # Errors
    ///
    /// When what keeps the rows cannot be read or written: the next would fare no better.
    pub(super) async fn take(
        &mut self,
        quarantine: &Quarantine,
        id: &str,
        done: Result<RetryReport, QuarantineError>,
    ) -> Result<(), Failure> {
        let stay = match done {
            Ok(report) if report.failed == 0 => {
                self.delivered += 1;
                return Ok(());
            }
            Ok(_) => {
                let row = quarantine.show(id).await.map_err(|error| failed(&error))?;
                Stay { id: row.id, function: Some(row.function), cause: row.cause }
            }
            Err(error) if error.is_storage() => return Err(failed(&error)),
            Err(error) => Stay { id: id.to_owned(), function: None, cause: error.to_string() },
        };
        self.failed += 1;
        self.stay.push(stay);
        Ok(())
    }

    /// Prints what became of the rows.
    ///
    /// # Errors
    ///
    /// When a row stays, or was not tried.
    pub(super) fn tell(&self, common: &Common) -> Result<(), Failure> {
        match common.output {
            Output::Json => {
                let retried = self.delivered + self.failed;
                terminal::print_json(&Summary { retried, sent: self, causes: self.causes() })?;
            }
            Output::Table => terminal::print(&self.described())?,
        }
        if self.failed == 0 && self.not_tried == 0 { Ok(()) } else { Err(Failure::Silent) }
    }

    fn described(&self) -> String {
        let mut text = String::new();
        for stay in self.stay.iter().take(LISTED) {
            let function =
                stay.function.as_ref().map(|function| format!("{}: ", one_line(function)));
            let function = function.unwrap_or_default();
            text += &format!("{}  {function}{}\n", ids::short(&stay.id), one_line(&stay.cause));
        }
        if let Some(more) = self.stay.len().checked_sub(LISTED).filter(|more| *more > 0) {
            text += &format!("and {more} more\n");
        }
        let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        let Self { delivered, failed, .. } = *self;
        let sent = rows(count(delivered + failed));
        text += &match failed {
            0 if delivered == 0 && self.not_tried == 0 => "no row to send on\n".to_owned(),
            0 => format!("{sent} sent on: {delivered} delivered\n"),
            failed => format!("{sent} sent on: {delivered} delivered, {failed} failed again\n"),
        };
        // One that failed has been shown.
        for Again { rows, function, cause, .. } in self.causes().iter().filter(|_| failed > 1) {
            let function = function.as_ref().map(|name| format!("{}: ", one_line(name)));
            let cause = one_line(cause);
            text += &format!("  {rows} {}{cause}\n", function.unwrap_or_default());
        }
        if self.not_tried > 0 {
            text += &format!("told to stop: {} not tried\n", rows(self.not_tried));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Sent, Stay};

    fn check(delivered: u64, failed: u64, not_tried: usize, last: &str) {
        let stay = |_| Stay {
            id: "3f2a91c0aa00".to_owned(),
            function: Some("Pri\u{1b}[2Jce".to_owned()),
            cause: "no\nprice".to_owned(),
        };
        let stays: Vec<Stay> = (0..failed).map(stay).collect();
        let stay = "3f2a91c0  Pri\\u001b[2Jce: no price\n".repeat(stays.len());
        let sent = Sent { delivered, failed, stay: stays, not_tried };
        assert_eq!(sent.described(), stay + last);
    }

    #[test]
    fn what_came_of_rows_is_told_and_how_many_were_left() {
        check(0, 0, 0, "no row to send on\n");
        check(2, 0, 0, "2 rows sent on: 2 delivered\n");
        check(0, 1, 0, "1 row sent on: 0 delivered, 1 failed again\n");
        check(
            1,
            2,
            1,
            "3 rows sent on: 1 delivered, 2 failed again\n  2 Pri\\u001b[2Jce: no price\ntold to stop: 1 row not tried\n",
        );
        check(0, 0, 3, "0 rows sent on: 0 delivered\ntold to stop: 3 rows not tried\n");
    }
}
