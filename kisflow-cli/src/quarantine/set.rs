//! `quarantine edit --set`: the same fields are set in many rows, which are then sent on.

use std::io::{self, IsTerminal};

use indicatif::HumanCount;
use kisflow_core::{FieldError, Quarantine, Quarantined, RetryFrom, RowText};
use serde::Serialize;
use tokio::task::yield_now;

use super::{
    args::{Choice, EditArgs},
    ids, json,
    retry::{Sent, chosen, progress},
    store::{Store, failed},
};
use crate::{
    args::{Common, Output},
    failure::Failure,
    signal::told_to_stop,
    terminal,
    text::{one_line, rows},
};

/// How many rows a preview shows of each kind.
const SHOWN: usize = 5;

pub(super) async fn run(store: &Store, common: &Common, args: EditArgs) -> Result<(), Failure> {
    let from = args.from.retry();
    let choice = args.rows.choice()?;
    let asks = matches!(choice, Choice::All(_)) && !args.yes && !args.dry_run;
    let values = Values::new(&args.set);
    let (ids, flows) = chosen(store, choice).await?;
    // What keeps the rows may be open once at a time: it is looked at, and let go.
    let preview = Preview::of(&store.look().await?, &ids, from, &values).await?;
    if args.dry_run {
        match common.output {
            Output::Json => terminal::print_json(&preview)?,
            Output::Table => terminal::print(&preview.described())?,
        }
        return preview.verdict();
    }
    if common.output == Output::Table {
        terminal::print(&preview.described())?;
    }
    let is_asked = io::stdin().is_terminal() && io::stderr().is_terminal();
    if preview.changed > 0 && asks && is_asked && !agreed(preview.changed)? {
        return Err(Failure::no("nothing was changed"));
    }
    let quarantine = store.open(&flows).await?;
    let sent = send(&quarantine, &ids, from, &values).await?;
    sent.tell(common)?;
    preview.verdict()
}

fn agreed(changed: usize) -> Result<bool, Failure> {
    terminal::say(&format!("change {} and send them on? [y/N] ", rows(changed)));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| Failure::io("cannot read the answer", &error))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Changes one row after the other and sends it on, until somebody wants it to end.
async fn send(
    quarantine: &Quarantine,
    ids: &[String],
    from: RetryFrom,
    values: &Values,
) -> Result<Sent, Failure> {
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
        let row = match quarantine.show(id).await {
            Ok(row) => row,
            // Somebody else has sent it on meanwhile.
            Err(error) if error.is_unknown() => continue,
            Err(error) => return Err(failed(&error)),
        };
        if let Ok(Some(text)) = values.set_in(&row, from) {
            let done = quarantine.edit(id, text, from).await;
            sent.take(quarantine, id, done).await?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(sent)
}

/// Fields and their new values, as JSON.
struct Values(Vec<(String, String)>);

impl Values {
    /// Values that are JSON stay as they are written; all else is text.
    fn new(given: &[(String, String)]) -> Self {
        let json = |value: &String| match json::check(value) {
            Ok(()) => json::compact(value),
            Err(_) => serde_json::Value::from(value.as_str()).to_string(),
        };
        Self(given.iter().map(|(path, value)| (path.clone(), json(value))).collect())
    }

    /// The row with the values; nothing if it has them.
    fn set_in(&self, row: &Quarantined, from: RetryFrom) -> Result<Option<RowText>, FieldError> {
        let old = begins(row, from);
        let mut new = old.clone();
        for (path, value) in &self.0 {
            if new.field(path).as_ref() != Some(value) {
                new = new.with_field(path, value)?;
            }
        }
        Ok((new != *old).then_some(new))
    }

    /// `currency: "" → "EUR"`.
    fn changes(&self, row: &RowText) -> String {
        let changes = self.0.iter().filter_map(|(path, value)| match row.field(path) {
            Some(old) if old == *value => None,
            Some(old) => Some(format!("{path}: {old} → {value}")),
            None => Some(format!("{path}: {value}, which is new")),
        });
        changes.collect::<Vec<_>>().join(", ")
    }
}

/// The row where it is to begin; where nobody knows what it was at the start, what it became.
fn begins(row: &Quarantined, from: RetryFrom) -> &RowText {
    match from {
        RetryFrom::Start => row.source_row().unwrap_or(&row.row),
        RetryFrom::Function => &row.row,
    }
}

/// What would be changed: what `--dry-run --output json` prints.
#[derive(Default, Serialize)]
struct Preview {
    changed: usize,
    /// Rows that have the values already; they are not sent on.
    unchanged: usize,
    /// Rows in which the fields cannot be set.
    unfit: usize,
    /// The first of those that are changed, and how.
    changes: Vec<Noted>,
    /// The first of those that are not fit, and why.
    causes: Vec<Noted>,
}

#[derive(Serialize)]
struct Noted {
    id: String,
    text: String,
}

impl Preview {
    async fn of(
        quarantine: &Quarantine,
        ids: &[String],
        from: RetryFrom,
        values: &Values,
    ) -> Result<Self, Failure> {
        let mut preview = Self::default();
        for id in ids {
            match quarantine.show(id).await {
                Ok(row) => preview.add(&row, from, values),
                Err(error) if error.is_unknown() => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        Ok(preview)
    }

    fn add(&mut self, row: &Quarantined, from: RetryFrom, values: &Values) {
        let note = |notes: &mut Vec<Noted>, text: String| {
            if notes.len() < SHOWN {
                notes.push(Noted { id: row.id.clone(), text });
            }
        };
        match values.set_in(row, from) {
            Ok(Some(_)) => {
                self.changed += 1;
                note(&mut self.changes, values.changes(begins(row, from)));
            }
            Ok(None) => self.unchanged += 1,
            Err(error) => {
                self.unfit += 1;
                note(&mut self.causes, error.to_string());
            }
        }
    }

    /// # Errors
    ///
    /// When there are rows in which the fields cannot be set.
    fn verdict(&self) -> Result<(), Failure> {
        if self.unfit == 0 { Ok(()) } else { Err(Failure::Silent) }
    }

    fn described(&self) -> String {
        let lines = |notes: &[Noted], count: usize| {
            let shown = notes
                .iter()
                .map(|Noted { id, text }| format!("  {}  {}\n", ids::short(id), one_line(text)));
            let mut text: String = shown.collect();
            if let Some(more) = count.checked_sub(notes.len()).filter(|more| *more > 0) {
                text += &format!("  and {} more\n", HumanCount(more as u64));
            }
            text
        };
        let mut text = match self.changed {
            0 => "no row to change\n".to_owned(),
            changed => format!("{} to change:\n", rows(changed)),
        };
        text += &lines(&self.changes, self.changed);
        if self.unchanged > 0 {
            text += &format!("{} with these values already\n", rows(self.unchanged));
        }
        if self.unfit > 0 {
            text += &format!("{} in which they cannot be set:\n", rows(self.unfit));
            text += &lines(&self.causes, self.unfit);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Preview, Quarantined, RetryFrom, Values};

    fn row(id: &str, text: &str) -> Quarantined {
        let json = serde_json::json!({
            "id": id, "flow": "F", "source": "s", "position": "s:0", "function": "f", "at": 0,
            "attempt": 1, "since_ms": 1, "tried_ms": 1, "cause": "c", "row": text,
        });
        serde_json::from_value(json).unwrap()
    }

    fn check(set: &[(&str, &str)], text: &str, expect: &str) {
        let set: Vec<_> =
            set.iter().map(|(path, value)| (path.to_string(), value.to_string())).collect();
        let set = Values::new(&set).set_in(&row("a", text), RetryFrom::Function);
        let found = match set {
            Ok(Some(row)) => row.to_string(),
            Ok(None) => "unchanged".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn a_value_is_json_or_else_text_and_everything_else_stays() {
        let text = r#"{"id":12345678901234567890123,"price":1.50,"currency":""}"#;
        let with = |rest: &str| format!(r#"{{"id":12345678901234567890123,"price":1.50,{rest}}}"#);
        check(&[("currency", "EUR")], text, &with(r#""currency":"EUR""#));
        check(&[("currency", "\"7\"")], text, &with(r#""currency":"7""#));
        check(&[("currency", "007")], text, &with(r#""currency":"007""#));
        check(&[("currency", "1.10")], text, &with(r#""currency":1.10"#));
        check(&[("currency", "")], text, "unchanged");
        check(
            &[("currency", "null"), ("to.city", "Ulm")],
            text,
            &with(r#""currency":null,"to":{"city":"Ulm"}"#),
        );
        check(&[("price", "1.5")], r#"{"price":1.50}"#, r#"{"price":1.5}"#);
        check(&[("a", "1")], "7", "the row is no JSON object");
    }

    #[test]
    fn a_preview_says_what_is_changed_and_what_cannot_be() {
        let values = Values::new(&[("c".to_owned(), "EUR".to_owned())]);
        let mut preview = Preview::default();
        let mut add =
            |text: &str| preview.add(&row("3f2a91c0aa", text), RetryFrom::Function, &values);
        add("{\"c\":\"\u{202e}\"}");
        add("{}");
        add(r#"{"c":"EUR"}"#);
        add("[1]");
        let expect = "\
2 rows to change:
  3f2a91c0  c: \"\\u202e\" → \"EUR\"
  3f2a91c0  c: \"EUR\", which is new
1 row with these values already
1 row in which they cannot be set:
  3f2a91c0  the row has no entry `c` in a list
";
        assert_eq!(preview.described(), expect);
        assert!(preview.verdict().is_err());
    }
}
