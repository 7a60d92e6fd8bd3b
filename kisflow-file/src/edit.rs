//! [`csv_line`]: one line of CSV as a row, for an edited row in quarantine.

use kisflow_core::CsvForm;

use crate::frame::csv_row;

/// Converts one line of CSV to JSON, in the way of the source whose `form` this is.
///
/// ```
/// use kisflow_core::CsvForm;
/// use kisflow_file::csv_line;
///
/// let form = CsvForm::new(["id", "article"]);
/// assert_eq!(csv_line(&form, "3,\"tea, green\"").unwrap(), r#"{"id":3,"article":"tea, green"}"#);
/// assert_eq!(csv_line(&form, "3").unwrap_err(), "1 field, the header has 2");
/// ```
///
/// # Errors
///
/// What is wrong with the line, in a word or two, or with the form.
pub fn csv_line(form: &CsvForm, line: &str) -> Result<String, String> {
    csv_row(form, line)
}
