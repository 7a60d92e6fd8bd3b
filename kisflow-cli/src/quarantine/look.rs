//! `quarantine list`, `show` and `stats`.

use std::num::NonZeroUsize;

use console::{measure_text_width, truncate_str};
use indicatif::{HumanBytes, HumanCount};
use kisflow_core::{CauseCount, OtherRows, QuarantineFilter, Quarantined, RowText};
use serde::Serialize;

use super::{
    args::{Filters, ListArgs, ShowArgs},
    ids, json, known,
    store::{Store, failed},
};
use crate::{
    args::{Common, Output},
    failure::Failure,
    moment,
    table::{self, Column},
    terminal,
    text::{harmless, one_line},
};

/// How narrow the column of causes gets at most.
const CAUSE: usize = 16;

/// What `list --output json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    rows: &'a [Quarantined],
    /// Rows that come behind these.
    more: usize,
    /// The cursor that `--after` goes on behind; nothing at the end.
    next: Option<String>,
}

/// The rows that a list for people has, unless somebody says.
const LISTED: usize = 20;

pub(super) async fn list(store: &Store, common: &Common, args: ListArgs) -> Result<(), Failure> {
    let quarantine = store.look().await?;
    let filter = args.filters.filter();
    let unlimited = if common.output == Output::Json { usize::MAX } else { LISTED };
    let limit = args.limit.map_or(unlimited, NonZeroUsize::get);
    let after = args.after.as_deref().unwrap_or_default();
    let others = match (args.discarded, args.waiting) {
        (true, _) => Some(quarantine.discarded()),
        (false, true) => Some(quarantine.waiting()),
        (false, false) => None,
    };
    let (listed, all) = match others {
        None => {
            let listed = quarantine.list_after(&filter, after, limit).await;
            (listed, quarantine.count_after(&filter, after).await)
        }
        Some(others) => {
            let listed = others.list_after(&filter, after, limit).await;
            (listed, others.count_after(&filter, after).await)
        }
    };
    let listed = listed.map_err(|error| failed(&error))?;
    if listed.is_empty() && after.is_empty() {
        known::check(&quarantine, store.conf(), &filter).await?;
    }
    let more = all.map_err(|error| failed(&error))?.saturating_sub(listed.len());
    if common.output == Output::Json {
        let next = listed.last().filter(|_| more > 0).map(Quarantined::cursor);
        return terminal::print_json(&Listed { rows: &listed, more, next });
    }
    let shown = ids::shown(listed.iter().map(|row| row.id.as_str()));
    let lines = listed.iter().map(|row| {
        vec![
            row.id.get(..shown).unwrap_or(&row.id).to_owned(),
            row.flow.clone(),
            row.function.clone(),
            moment::age(row.since),
            row.attempt.to_string(),
            row.discarded.as_ref().unwrap_or(&row.cause).clone(),
        ]
    });
    let columns = [
        Column::Whole("ID"),
        Column::Whole("FLOW"),
        Column::Whole("FUNCTION"),
        Column::Number("AGE"),
        Column::Number("ATTEMPTS"),
        Column::Whole(if args.discarded { "REASON" } else { "CAUSE" }),
    ];
    let heads = [8, 4, 8, 3, 8];
    table::print(&columns, fitted(lines.collect(), &heads), "no row")?;
    if more > 0 {
        let all = listed.len() + more;
        terminal::print(&format!("and {}: --limit {all} lists all\n", more_rows(more)))?;
    }
    Ok(())
}

fn more_rows(more: usize) -> String {
    format!("{more} more {}", if more == 1 { "row" } else { "rows" })
}

pub(super) async fn show(store: &Store, common: &Common, args: &ShowArgs) -> Result<(), Failure> {
    let quarantine = store.look().await?;
    let mut row = other_row(&quarantine.discarded(), &args.id).await?;
    if row.is_none() {
        row = other_row(&quarantine.waiting(), &args.id).await?;
    }
    let row = match row {
        Some(row) => row,
        None => ids::row(&quarantine, &args.id).await?,
    };
    match common.output {
        Output::Json => terminal::print_json(&row),
        Output::Table => terminal::print(&described(&row)),
    }
}

/// The row of this id, if it is among these.
async fn other_row(others: &OtherRows, id: &str) -> Result<Option<Quarantined>, Failure> {
    let ids = others.ids(&QuarantineFilter::new()).await.map_err(|error| failed(&error))?;
    let Ok(id) = ids::find(id, &ids) else { return Ok(None) };
    match others.show(&id).await {
        Ok(row) => Ok(Some(row)),
        // It is gone meanwhile.
        Err(error) if error.is_unknown() => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

/// All there is to know of a row.
fn described(row: &Quarantined) -> String {
    let at = |ms| format!("{} ({} ago)", moment::utc(ms), moment::age(ms));
    let of = |name: &str, value: &str| format!("{name:<10} {}\n", one_line(value));
    let mut text = of("id", &row.id);
    text += &of("flow", &row.flow);
    text += &of("function", &format!("{}, step {} of the flow", row.function, row.at + 1));
    text += &of("source", &row.source);
    text += &of("position", &row.position);
    text += &of("since", &at(row.since));
    text += &of("tried", &format!("{}, attempt {}", at(row.tried), row.attempt));
    if let Some(field) = &row.field {
        text += &of("field", field);
    }
    text += &of("cause", &row.cause);
    if let Some(reason) = &row.discarded {
        text += &of("discarded", reason);
    }
    if let Some(csv) = &row.csv {
        text += &of("csv", &csv.fields.join(&csv.delimiter.to_string()));
    }
    if row.unreadable {
        let text_of_row = indented(&row.row);
        return format!("{text}\nthe row, which its source could not read:\n{text_of_row}\n");
    }
    let function = one_line(&row.function);
    text += &format!("\nthe row, as it reached {function}:\n{}\n", indented(&row.row));
    if let Some(origin) = row.origin.as_ref().filter(|origin| **origin != row.row) {
        text += &format!("\nas it came from the source:\n{}\n", indented(origin));
    }
    text
}

fn indented(row: &RowText) -> String {
    let text = row.to_string();
    harmless(&json::pretty(&text).unwrap_or(text))
}

/// What `stats --output json` prints.
#[derive(Serialize)]
struct Stats<'a> {
    rows: u64,
    bytes: u64,
    max_rows: u64,
    max_bytes: u64,
    causes: &'a [CauseCount],
}

pub(super) async fn stats(store: &Store, common: &Common, filters: Filters) -> Result<(), Failure> {
    let quarantine = store.look().await?;
    let filter = filters.filter();
    let mut causes = quarantine.stats(&filter).await.map_err(|error| failed(&error))?;
    if causes.is_empty() {
        known::check(&quarantine, store.conf(), &filter).await?;
    }
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.rows));
    let usage = quarantine.usage().await.map_err(|error| failed(&error))?;
    let bounds = &store.conf().global.quarantine;
    let (max_rows, max_bytes) = (bounds.max_rows, bounds.max_bytes);
    if common.output == Output::Json {
        let (rows, bytes) = (usage.entries, usage.bytes);
        return terminal::print_json(&Stats { rows, bytes, max_rows, max_bytes, causes: &causes });
    }
    let lines = causes.iter().map(|cause| {
        vec![
            HumanCount(cause.rows).to_string(),
            cause.flow.clone(),
            cause.function.clone(),
            moment::age(cause.since),
            ids::short(&cause.example_id).to_owned(),
            cause.cause.clone(),
        ]
    });
    let columns = [
        Column::Number("ROWS"),
        Column::Whole("FLOW"),
        Column::Whole("FUNCTION"),
        Column::Number("OLDEST"),
        Column::Whole("EXAMPLE"),
        Column::Whole("CAUSE"),
    ];
    table::print(&columns, fitted(lines.collect(), &[4, 4, 8, 6, 8]), "no row")?;
    terminal::print(&format!(
        "in quarantine: {} rows, {}; at most {} rows and {} of each flow\n",
        HumanCount(usage.entries),
        HumanBytes(usage.bytes),
        HumanCount(max_rows),
        HumanBytes(max_bytes)
    ))
}

/// Rows of a table, the last cell of each shortened so that the row is one line. `heads` is how wide
/// the heads of the cells before it are.
fn fitted(rows: Vec<Vec<String>>, heads: &[usize]) -> Vec<Vec<String>> {
    fitted_to(rows, heads, terminal::width().map(usize::from))
}

fn fitted_to(
    mut rows: Vec<Vec<String>>,
    heads: &[usize],
    width: Option<usize>,
) -> Vec<Vec<String>> {
    let column = |(index, head): (usize, &usize)| {
        let cells = rows.iter().filter_map(|row| row.get(index));
        cells.map(|cell| measure_text_width(cell)).max().unwrap_or_default().max(*head) + 2
    };
    let before: usize = heads.iter().enumerate().map(column).sum();
    let room = width.map(|width| width.saturating_sub(before).max(CAUSE));
    for cell in rows.iter_mut().filter_map(|row| row.last_mut()) {
        let line = one_line(cell);
        *cell = match room {
            Some(room) => truncate_str(&line, room, "…").into_owned(),
            None => line,
        };
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::fitted_to;
    use crate::table::{Column, render};

    #[test]
    fn a_row_is_one_line_of_the_terminal() {
        let row = |cause: &str| {
            ["3f2a91c0", "Invoices", "Price", "2h", "1", cause].map(str::to_owned).to_vec()
        };
        let long = "no article is named \"tae\":\nthe list has tea, cup and pot, and nothing else";
        let rows = vec![row("short"), row(long)];
        let columns = ["ID", "FLOW", "FUNCTION", "AGE", "ATTEMPTS", "CAUSE"].map(Column::Whole);
        for width in [70, 80, 120] {
            let rows = fitted_to(rows.clone(), &[8, 4, 8, 3, 8], Some(width));
            let table = render(&columns, rows, Some(width as u16));
            assert_eq!(table.lines().count(), 3, "{table}");
            assert!(table.lines().all(|line| line.chars().count() <= width), "{table}");
        }
        let rows = fitted_to(rows, &[8, 4, 8, 3, 8], None);
        assert!(rows[1][5].ends_with("nothing else"), "without a terminal nothing is left out");
    }
}
