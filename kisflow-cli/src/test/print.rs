//! What is printed of tests, for people.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Style};
use kisflow_core::Conf;

use super::{
    Tested,
    diff::{Difference, Line},
};
use crate::text::{counted, harmless, one_line};

/// From when on a test's time is worth telling, in seconds.
const SLOW: f64 = 0.5;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const STRONG: Style = Style::new().bold();
const WEAK: Style = Style::new().dimmed();

/// `ok      large orders keep their discount`.
pub(super) fn line(tested: &Tested<'_>) -> String {
    let (style, word) = if tested.passed { (GOOD, "ok    ") } else { (BAD.bold(), "FAILED") };
    let seconds = tested.seconds;
    let time = if seconds > SLOW { format!(" ({seconds:.1} s)") } else { String::new() };
    format!("{style}{word}{style:#}  {}{time}\n", one_line(tested.test))
}

/// Every failure, and how many there are.
pub(super) fn summary(tested: &[Tested<'_>], failed: usize) -> String {
    let failures: String = tested.iter().filter(|test| !test.passed).map(failure).collect();
    let count = counted(tested.len(), "test");
    let passed = tested.len() - failed;
    let end = match failed {
        0 => format!("{GOOD}ok{GOOD:#}"),
        failed => format!("{passed} ok, {BAD}{failed} failed{BAD:#}"),
    };
    format!("{failures}\n{count}: {end}\n")
}

fn failure(tested: &Tested<'_>) -> String {
    let head = format!("\n{STRONG}{}{STRONG:#}\n", one_line(tested.test));
    head + &tested.differences.iter().map(difference).collect::<String>()
}

fn difference(difference: &Difference) -> String {
    let message = harmless(&difference.message).replace('\n', "\n    ");
    let head = format!("  {}: {message}\n", one_line(&difference.place));
    let line = |line: &Line| {
        let style = match line {
            Line::Expected(_) => BAD,
            Line::Got(_) => GOOD,
            Line::Same(_) => WEAK,
            Line::Note(_) => STRONG,
        };
        format!("    {style}{}{style:#}\n", harmless(&line.to_string()))
    };
    let lines: String = difference.lines.iter().map(line).collect();
    if lines.is_empty() { head } else { format!("{head}{lines}") }
}

/// How to write a test, for a conf that has none.
pub(super) fn how_to(conf: &Conf, dirs: &[PathBuf]) -> String {
    let dirs: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    let flow = conf.flows.keys().next().map_or("Invoices".to_owned(), |name| one_line(name));
    format!(
        "the conf has no test; write one into a .yml file of {}:

kistype: test
tname: what has to be so
flow: {flow}
given:
  rows:
    - {{id: 1}}
expect:
  rows:
    - {{id: 1}}",
        dirs.join(" or ")
    )
}

/// That `--only` chooses nothing.
pub(super) fn none_of(tests: usize, only: &str) -> String {
    let has = format!("has \"{}\" in its name, or in that of its flow or function", one_line(only));
    format!("none of {} {has}", counted(tests, "test"))
}
