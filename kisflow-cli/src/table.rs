//! Tables for people: a line for each thing, columns that line up, no frame.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets::NOTHING,
};
use console::measure_text_width;

use crate::{failure::Failure, terminal, text::one_line};

/// Blanks behind every cell.
const GAP: u16 = 2;

/// A column: its head, and what becomes of its cells where there is little room.
pub(crate) enum Column {
    /// Broken between words; a word, as the name of a function, never is.
    Text(&'static str),
    /// Never broken: names, places.
    Whole(&'static str),
    /// Never broken, and flush right.
    Number(&'static str),
}

impl Column {
    fn head(&self) -> &'static str {
        match self {
            Self::Text(head) | Self::Whole(head) | Self::Number(head) => head,
        }
    }
}

/// Prints a table; without rows only `none`, a line that says so.
pub(crate) fn print(
    columns: &[Column],
    rows: impl IntoIterator<Item = Vec<String>>,
    none: &str,
) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    if rows.is_empty() {
        return terminal::print(&format!("{none}\n"));
    }
    terminal::print(&render(columns, rows, terminal::width()))
}

/// The table as text; without a width each row is one line. What is not to be broken may make it
/// wider.
pub(crate) fn render(columns: &[Column], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let mut table = Table::new();
    table.load_style(NOTHING);
    match width {
        // The blanks behind the last column are not printed.
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width.saturating_add(GAP)),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(columns.iter().map(Column::head));
    let words =
        columns.iter().enumerate().map(|(index, column)| longest_word(column, index, &rows));
    let words: Vec<u16> = words.collect();
    table.add_rows(rows);
    for ((cells, column), word) in table.column_iter_mut().zip(columns).zip(words) {
        cells.set_padding((0, GAP));
        cells.set_constraint(match column {
            Column::Text(_) => ColumnConstraint::LowerBoundary(Width::Fixed(word + GAP)),
            Column::Whole(_) | Column::Number(_) => ColumnConstraint::ContentWidth,
        });
        if let Column::Number(_) = column {
            cells.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}

/// How wide a column is at least, so that no word of it is broken.
fn longest_word(column: &Column, index: usize, rows: &[Vec<String>]) -> u16 {
    let cells = rows.iter().filter_map(|row| row.get(index));
    let words = cells.flat_map(|cell| cell.split(' ')).map(measure_text_width);
    let longest = words.chain([measure_text_width(column.head())]).max().unwrap_or_default();
    u16::try_from(longest).unwrap_or(u16::MAX - GAP)
}

#[cfg(test)]
mod tests {
    use super::{Column, render};

    fn check(width: Option<u16>, rows: &[[&str; 3]], expected: &[&str]) {
        let columns = [Column::Whole("FUNCTION"), Column::Text("READS"), Column::Whole("PLACE")];
        let rows = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        let table = render(&columns, rows, width);
        assert_eq!(table.lines().collect::<Vec<_>>(), expected);
    }

    const PRICE: [&str; 3] = ["Price", "Order {id, article, count}", "examples/shop.rs:85"];

    #[test]
    fn what_is_too_wide_is_broken_between_words_and_names_and_places_are_not() {
        check(
            None,
            &[PRICE],
            &[
                "FUNCTION  READS                       PLACE",
                "Price     Order {id, article, count}  examples/shop.rs:85",
            ],
        );
        check(
            Some(48),
            &[PRICE],
            &[
                "FUNCTION  READS              PLACE",
                "Price     Order {id,         examples/shop.rs:85",
                "          article, count}",
            ],
        );
        check(
            Some(20),
            &[PRICE],
            &[
                "FUNCTION  READS     PLACE",
                "Price     Order     examples/shop.rs:85",
                "          {id,",
                "          article,",
                "          count}",
            ],
        );
    }

    #[test]
    fn a_name_does_not_move_the_cursor() {
        check(
            None,
            &[["Pri\u{1b}[2Jce", "a\nb", "\u{9b}1m"]],
            &["FUNCTION        READS  PLACE", "Pri\\u001b[2Jce  a b    \\u009b1m"],
        );
    }
}
