//! Tables for people: a line for each thing, columns that line up, no frame.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::{failure::Failure, terminal};

/// A column: its head, and where its cells stand.
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
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

/// The table as text; without a width each row is one line.
pub(crate) fn render(columns: &[Column], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(columns.iter().map(|column| match column {
        Column::Text(head) | Column::Number(head) => *head,
    }));
    table.add_rows(rows);
    for (cells, column) in table.column_iter_mut().zip(columns) {
        cells.set_padding((0, 2));
        if let Column::Number(_) = column {
            cells.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}
