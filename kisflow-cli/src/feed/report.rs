//! [`Fed`]: what became of the rows, for people and for programs.

use std::time::Duration;

use indicatif::HumanCount;
use kisflow_core::{Report, RowCounts, error_chain};
use serde::Serialize;

use super::{FeedArgs, Stop, WHY_FAILED, input::Taken, link::Linked, rejected::Rejected};
use crate::{
    table::{self, Column},
    text::one_line,
};

/// Rejected rows and failed runs that a report has; it counts all.
pub(super) const SHOWN: usize = 10;

/// What became of the rows of the whole input: what `--output json` prints.
#[derive(Serialize)]
pub(super) struct Fed {
    flow: String,
    dry_run: bool,
    /// What a dry run does not do.
    #[serde(skip)]
    note: String,
    /// Functions that a dry run leaves out.
    left_out: Vec<String>,
    rows: Counts,
    functions: Vec<FunctionCounts>,
    /// The first rows that were rejected; `rows.rejected` counts all.
    rejected: Vec<Rejected>,
    /// The first runs that failed.
    failed: Vec<FailedRun>,
    #[serde(skip)]
    failed_runs: usize,
    stopped: Option<Stopped>,
    #[serde(skip)]
    is_closed: bool,
    seconds: f64,
    rows_per_second: f64,
}

/// What became of rows, as [`RowCounts`] has it.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    rows_in: u64,
    rows_out: u64,
    filtered: u64,
    aborted: u64,
    rejected: u64,
    failed: u64,
    added: u64,
    folded: u64,
}

#[derive(Serialize)]
struct FunctionCounts {
    function: String,
    calls: u64,
    #[serde(flatten)]
    rows: Counts,
}

/// A run that failed, with the rows that it was given.
#[derive(Serialize)]
struct FailedRun {
    /// Their numbers in the input, from 1.
    first: u64,
    last: u64,
    /// Where the first one is, and the last one.
    from: String,
    to: String,
    cause: String,
}

/// Where the feed ended before its input.
#[derive(Serialize)]
struct Stopped {
    /// The number of the last row that is done.
    after: u64,
    why: String,
    /// Whether there are more rows.
    #[serde(skip)]
    more: bool,
}

impl Fed {
    pub(super) fn new(linked: &Linked, args: &FeedArgs) -> Self {
        let steps = linked.flow.conf().flows.into_iter();
        let functions = steps.map(|step| FunctionCounts {
            function: step.fname,
            calls: 0,
            rows: Counts::default(),
        });
        Self {
            flow: linked.flow.name().to_owned(),
            dry_run: args.dry_run,
            note: note(args, &linked.left_out),
            left_out: linked.left_out.clone(),
            rows: Counts::default(),
            functions: functions.collect(),
            rejected: Vec::new(),
            failed: Vec::new(),
            failed_runs: 0,
            stopped: None,
            is_closed: false,
            seconds: 0.0,
            rows_per_second: 0.0,
        }
    }

    /// Adds a run, whether it failed or not.
    pub(super) fn add(&mut self, report: &Report, rejected: Vec<Rejected>) {
        self.rows.add(report.rows());
        for (all, one) in self.functions.iter_mut().zip(report.functions()) {
            all.calls += one.calls as u64;
            all.rows.add(&one.rows);
        }
        let room = SHOWN.saturating_sub(self.rejected.len());
        self.rejected.extend(rejected.into_iter().take(room));
    }

    /// Adds why a run failed.
    pub(super) fn fail(&mut self, taken: &Taken, error: &(dyn std::error::Error + 'static)) {
        self.failed_runs += 1;
        if self.failed.len() < SHOWN {
            let last = taken.rows.batch().len().saturating_sub(1);
            self.failed.push(FailedRun {
                first: taken.first,
                last: taken.last(),
                from: taken.place(0),
                to: taken.place(last),
                cause: error_chain(error).to_string(),
            });
        }
    }

    /// The feed ends before its input does.
    pub(super) fn stop(&mut self, after: u64, stop: Stop) {
        let more = !matches!(stop, Stop::Unnamed(_));
        let why = match stop {
            Stop::Told => "told to stop".to_owned(),
            Stop::Failed => WHY_FAILED.to_owned(),
            Stop::Unread(why) | Stop::Unwritten(why) | Stop::Unnamed(why) => why,
            Stop::Closed => {
                self.is_closed = true;
                return;
            }
        };
        self.stopped = Some(Stopped { after, why, more });
    }

    /// Whether nobody reads what is written any more.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) fn end(&mut self, elapsed: Duration) {
        self.seconds = elapsed.as_secs_f64();
        self.rows_per_second = per_second(self.rows.rows_in, elapsed);
    }

    pub(super) fn rows_in(&self) -> u64 {
        self.rows.rows_in
    }

    pub(super) fn rejected(&self) -> u64 {
        self.rows.rejected
    }

    /// Whether every row went its way.
    pub(super) fn is_fine(&self) -> bool {
        self.rows.rejected == 0 && self.rows.failed == 0 && self.failed_runs == 0
    }

    /// Why the feed ended before its input, and how to go on.
    pub(super) fn why_stopped(&self) -> Option<String> {
        let Stopped { after, why, more } = self.stopped.as_ref()?;
        Some(match after {
            _ if !more => why.clone(),
            0 => format!("stopped before row 1: {why}"),
            after => format!(
                "stopped after row {}: {why}; `--skip {after}` feeds the rest",
                HumanCount(*after)
            ),
        })
    }

    /// The report for people.
    pub(super) fn render(&self, width: Option<u16>) -> String {
        let mut text = self.note.clone();
        let speed = HumanCount(self.rows_per_second as u64);
        let elapsed = Duration::from_secs_f64(self.seconds);
        text += &format!("flow {}: {} in {elapsed:.1?}, {speed}/s\n\n", self.flow, self.rows);
        text += &self.table(width);
        text += &self.rejections();
        text += &self.failures();
        text
    }

    fn table(&self, width: Option<u16>) -> String {
        let heads = ["CALLS", "ROWS IN", "ROWS OUT", "FILTERED", "REJECTED", "FAILED"];
        let columns: Vec<Column> =
            [Column::Text("FUNCTION")].into_iter().chain(heads.map(Column::Number)).collect();
        let rows = self.functions.iter().map(|FunctionCounts { function, calls, rows }| {
            let counts =
                [*calls, rows.rows_in, rows.rows_out, rows.filtered, rows.rejected, rows.failed];
            let counts = counts.map(|count| HumanCount(count).to_string());
            [function.clone()].into_iter().chain(counts).collect()
        });
        table::render(&columns, rows.collect(), width)
    }

    fn rejections(&self) -> String {
        if self.rejected.is_empty() {
            return String::new();
        }
        let mut text = "\nrejected:\n".to_owned();
        let lines = self.rejected.iter().map(|rejected| format!("  {rejected}\n"));
        text.extend(lines);
        match self.rows.rejected - self.rejected.len() as u64 {
            0 => {}
            more => {
                let more = HumanCount(more);
                text += &format!("  and {more} more; `--rejected FILE` writes them all\n");
            }
        }
        text
    }

    fn failures(&self) -> String {
        if self.failed.is_empty() {
            return String::new();
        }
        let mut text = "\nfailed:\n".to_owned();
        for FailedRun { first, last, from, to, cause } in &self.failed {
            let rows = match (HumanCount(*first), HumanCount(*last)) {
                (row, _) if first == last => format!("row {row}, {from}"),
                (first, last) => format!("rows {first} to {last}, {from} to {to}"),
            };
            text += &format!("  {rows}: {}\n", one_line(cause));
        }
        match self.failed_runs - self.failed.len() {
            0 => {}
            more => text += &format!("  and {more} more runs\n"),
        }
        text
    }
}

/// What a dry run does not do; nothing for any other.
pub(super) fn note(args: &FeedArgs, left_out: &[String]) -> String {
    if !args.dry_run {
        return String::new();
    }
    let memories = match &args.given {
        Some(file) => format!("memories with the records of {}", file.display()),
        None => "empty memories".to_owned(),
    };
    let mut text =
        format!("dry run: connectors are {memories}, functions without one run as they are\n");
    if !left_out.is_empty() {
        let names = left_out.join(", ");
        text += &format!("left out, because they talk to an engine themselves: {names}\n");
    }
    text
}

/// Rows a second; 0 where no time has passed.
pub(super) fn per_second(rows: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { (rows as f64 / seconds).round() } else { 0.0 }
}

impl Counts {
    fn add(&mut self, rows: &RowCounts) {
        self.rows_in += rows.rows_in as u64;
        self.rows_out += rows.rows_out as u64;
        self.filtered += rows.filtered as u64;
        self.aborted += rows.aborted as u64;
        self.rejected += rows.rejected as u64;
        self.failed += rows.failed as u64;
        self.added += rows.added as u64;
        self.folded += rows.folded as u64;
    }
}

impl From<&RowCounts> for Counts {
    fn from(rows: &RowCounts) -> Self {
        let mut counts = Self::default();
        counts.add(rows);
        counts
    }
}

/// `7 rows in, 4 out`, and what else there is to say.
impl std::fmt::Display for Counts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows_in, rows_out, filtered, aborted, rejected, failed, added, folded } = *self;
        let word = if rows_in == 1 { "row" } else { "rows" };
        write!(formatter, "{} {word} in, {} out", HumanCount(rows_in), HumanCount(rows_out))?;
        let rest = [
            ("filtered", filtered),
            ("aborted", aborted),
            ("rejected", rejected),
            ("failed", failed),
            ("added", added),
            ("folded", folded),
        ];
        let mut rest = rest.into_iter().filter(|(_, rows)| *rows > 0);
        rest.try_for_each(|(word, rows)| write!(formatter, ", {} {word}", HumanCount(rows)))
    }
}
