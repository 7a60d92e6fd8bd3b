//! [`View`]: a line for each flow at the foot of the terminal, and what is wrong below.

use console::{Style, Term, truncate_str};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::info;

use super::{
    figures::{Figures, Lag},
    margin::{self, Margin},
};
use crate::{terminal, text::one_line};

/// The columns behind the flow's name, and how wide they are.
const COLUMNS: [(&str, usize); 5] =
    [("ROWS/S", 9), ("READ", 9), ("LAG", 9), ("IN FLIGHT", 9), ("QUARANTINED", 11)];
/// How many things that are wrong are told.
const PROBLEMS: usize = 3;
/// Lines of the terminal that stay free for the log.
const FREE: usize = 4;

/// What there is to say of all flows together.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What is wrong.
    pub(super) problems: Vec<String>,
    /// Rows that are in quarantine now, where that is known.
    pub(super) quarantine: Option<u64>,
}

/// The live view, where somebody watches.
pub(super) struct View {
    bar: Option<ProgressBar>,
}

impl View {
    pub(super) fn new(is_watched: bool) -> Self {
        let bar = || {
            let bar = ProgressBar::with_draw_target(
                None,
                ProgressDrawTarget::term_like_with_hz(Box::new(Margin::new()), 20),
            );
            // All lines are one message: they change together.
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        };
        Self { bar: is_watched.then(bar) }
    }

    pub(super) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// What log lines have to be written around.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    pub(super) fn show(&self, figures: &[Figures], state: &State) {
        let Some(bar) = &self.bar else { return };
        let (height, width) = Term::stderr().size();
        let width = margin::width(width).into();
        let lines = lines(figures, state, width, height.into());
        bar.set_message(lines.join("\n"));
    }

    /// Says something once: above the view, or in the log.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| terminal::say(&format!("{text}\n"))),
            None => info!("{text}"),
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The whole view; no line is wider than `width`.
fn lines(figures: &[Figures], state: &State, width: usize, height: usize) -> Vec<String> {
    let State { problems, quarantine } = state;
    let columns: usize = COLUMNS.iter().map(|(_, width)| width + 2).sum();
    let longest = figures.iter().map(|figures| console::measure_text_width(&figures.flow)).max();
    let name = longest.unwrap_or_default().max(4).min(width.saturating_sub(columns).max(4));
    let fits = |line: String| truncate_str(&line, width, "…").into_owned();

    let (dim, warn) = (Style::new().for_stderr().dim(), Style::new().for_stderr().yellow());
    let heads = COLUMNS.map(|(head, _)| head.to_owned());
    let mut lines = vec![fits(dim.apply_to(line("FLOW", name, &heads)).to_string())];
    let others = problems.len().min(PROBLEMS + 1) + usize::from(quarantine.is_some());
    let shown = height.saturating_sub(FREE + 1 + others).max(1);
    for flow in figures.iter().take(shown) {
        let cells = [
            number(flow.per_second),
            number(flow.read),
            flow.lag.map_or("-".to_owned(), waiting),
            number(flow.in_flight),
            number(flow.quarantined),
        ];
        lines.push(fits(line(&flow.flow, name, &cells)));
    }
    lines.extend(more(figures.len(), shown, "more flows").map(fits));
    if let Some(now) = quarantine {
        let since: u64 = figures.iter().map(|flow| flow.quarantined).sum();
        let (now, since) = (HumanCount(*now), HumanCount(since));
        lines.push(fits(format!("in quarantine: {now} now, {since} since the start")));
    }
    for problem in problems.iter().take(PROBLEMS) {
        lines.push(fits(format!("{} {}", warn.apply_to("!"), one_line(problem))));
    }
    lines.extend(more(problems.len(), PROBLEMS, "more problems").map(fits));
    lines
}

fn line(flow: &str, name: usize, cells: &[String; COLUMNS.len()]) -> String {
    let flow = one_line(flow);
    let flow = truncate_str(&flow, name, "…");
    let mut line = console::pad_str(&flow, name, console::Alignment::Left, None).into_owned();
    for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
        line += &format!("  {cell:>width$}");
    }
    line
}

fn more(count: usize, shown: usize, what: &str) -> Option<String> {
    let more = count.checked_sub(shown).filter(|more| *more > 0)?;
    Some(format!("  {more} {what}"))
}

/// What is still to be read, in nine columns at most.
fn waiting(lag: Lag) -> String {
    match lag {
        Lag::Rows(rows) => number(rows),
        Lag::Bytes(0) => "0".to_owned(),
        Lag::Bytes(bytes) => {
            const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
            let mut amount = bytes as f64;
            let mut unit = "B";
            for larger in UNITS {
                if amount < 999.5 {
                    break;
                }
                (amount, unit) = (amount / 1000.0, larger);
            }
            match unit {
                "B" => format!("{amount} {unit}"),
                _ => format!("{amount:.1} {unit}"),
            }
        }
    }
}

/// A number in nine columns at most.
fn number(number: u64) -> String {
    match number {
        ..10_000_000 => HumanCount(number).to_string(),
        10_000_000..10_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}G", number as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Lag, State, lines, number, waiting};

    fn flow(flow: &str, rows: u64) -> Figures {
        Figures {
            flow: flow.to_owned(),
            per_second: rows,
            read: rows,
            lag: Some(Lag::Rows(rows)),
            in_flight: rows,
            quarantined: rows,
        }
    }

    #[test]
    fn every_line_fits_the_terminal() {
        let long = "A flow of a name that is far longer than anybody would want to read";
        let problem = format!("flow `{long}`: connector `Invoices`:\nnobody answers there at all");
        let figures = [flow("Invoices", 7), flow(long, 123_456_789_000), flow("订单", 9_999_999)];
        let state = State { problems: vec![problem; 5], quarantine: Some(u64::MAX) };
        for width in [20, 40, 80, 200] {
            for line in lines(&figures, &state, width, 24) {
                assert!(console::measure_text_width(&line) <= width, "{width}: {line}");
                assert!(!line.contains('\n'));
            }
        }
    }

    #[test]
    fn a_line_has_the_figures_of_its_flow() {
        let figures =
            [flow("Invoices", 1234), Figures { flow: "Refunds".into(), ..Figures::default() }];
        let state = State { problems: vec![], quarantine: Some(9) };
        let lines = lines(&figures, &state, 80, 24);
        let lines: Vec<_> = lines.iter().map(|line| console::strip_ansi_codes(line)).collect();
        assert_eq!(
            lines,
            [
                "FLOW         ROWS/S       READ        LAG  IN FLIGHT  QUARANTINED",
                "Invoices      1,234      1,234      1,234      1,234        1,234",
                "Refunds           0          0          -          0            0",
                "in quarantine: 9 now, 1,234 since the start",
            ]
        );
    }

    #[test]
    fn flows_that_do_not_fit_the_terminal_are_counted() {
        let figures: Vec<_> = (0..50).map(|number| flow(&format!("Flow{number}"), 1)).collect();
        let problems = vec!["a".to_owned(), "b".to_owned()];
        let lines = lines(&figures, &State { problems, quarantine: None }, 80, 24);
        assert_eq!(lines.len(), 21, "{lines:#?}");
        assert_eq!(lines[18], "  33 more flows");
    }

    #[test]
    fn bytes_that_wait_take_nine_columns_at_most() {
        for (bytes, text) in [
            (0, "0"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_499, "999.5 kB"),
            (999_500, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(waiting(Lag::Bytes(bytes)), text);
        }
    }

    #[test]
    fn a_number_takes_nine_columns_at_most() {
        for (value, text) in
            [(0, "0"), (9_999_999, "9,999,999"), (12_345_678, "12.3M"), (98_765_432_100, "98.8G")]
        {
            assert_eq!(number(value), text);
        }
    }
}
