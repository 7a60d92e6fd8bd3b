//! CSV bodies as rows of JSON: the header line gives the names.

use bytes::Bytes;
use kisflow_csv::{Column, Dialect, Extent, Read, Record, columns, hint, write_value};

use crate::{memory::Held, refusal::Refusal, rows::line_at};

/// As CSV is posted. The body ends, so a quote may span as many lines as it has.
const DIALECT: Dialect = Dialect { delimiter: b',', lines: usize::MAX };

/// Where each row begins and ends.
type Spans = Vec<(u32, u32)>;

/// The rows of a body as JSON, one a line. They take the memory of the body.
pub(crate) fn rows(body: &[u8], held: &mut Held) -> Result<(Bytes, Spans), Refusal> {
    let mut record = Record::default();
    let (columns, mut at) = header(body, &mut record)?;
    let (mut json, mut spans) = (Vec::new(), Vec::new());
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        let refused =
            |cause: String| Refusal::Record { row: spans.len(), line: line_at(body, at), cause };
        let whole = match record.read(rest, DIALECT, true) {
            Read::Whole(Extent { content, whole }) => {
                if record.is_blank(rest.get(..content).unwrap_or_default()) {
                    at += whole;
                    continue;
                }
                whole
            }
            Read::Behind(_) => return Err(refused("text behind a closing quote".to_owned())),
            Read::Short { .. } | Read::Unclosed(_) => {
                return Err(refused("a quote is not closed".to_owned()));
            }
        };
        let start = json.len();
        write(&record, &columns, &mut json).map_err(refused)?;
        json.push(b'\n');
        held.grow(json.len() - start)?;
        spans.push(span(start, json.len() - 1, held)?);
        at += whole;
    }
    held.shrink(body.len());
    Ok((json.into(), spans))
}

/// The columns, and where the first record begins.
fn header(body: &[u8], record: &mut Record) -> Result<(Vec<Column>, usize), Refusal> {
    let wrong = |what: String| Refusal::Shape { what };
    let mut at = 0;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Err(wrong("the body is empty, and CSV has a header line".to_owned()));
        }
        match record.read(rest, DIALECT, true) {
            Read::Whole(Extent { content, whole }) => {
                at += whole;
                if !record.is_blank(rest.get(..content).unwrap_or_default()) {
                    break;
                }
            }
            Read::Behind(_) => {
                return Err(wrong("the header has text behind a closing quote".to_owned()));
            }
            Read::Short { .. } | Read::Unclosed(_) => {
                return Err(wrong("the header has a quote that is not closed".to_owned()));
            }
        }
    }
    let names: Result<Vec<String>, _> =
        record.fields().map(|name| std::str::from_utf8(name).map(str::to_owned)).collect();
    let names = names.map_err(|_| wrong("the header is not UTF-8".to_owned()))?;
    if let [name] = names.as_slice()
        && hint(name, DIALECT.delimiter).is_some()
    {
        return Err(wrong(format!(
            "the header has one name, `{name}`; write commas between names"
        )));
    }
    let columns = columns(&names, &[]).map_err(|what| wrong(format!("the header {what}")))?;
    Ok((columns, at))
}

/// Writes a record as an object.
fn write(record: &Record, columns: &[Column], json: &mut Vec<u8>) -> Result<(), String> {
    let (found, expected) = (record.len(), columns.len());
    if found != expected {
        let plural = if found == 1 { "" } else { "s" };
        return Err(format!("{found} field{plural}, the header has {expected}"));
    }
    if record.has_nul() {
        return Err("a NUL byte".to_owned());
    }
    let mut open = b'{';
    for (field, column) in record.fields().zip(columns) {
        let field = std::str::from_utf8(field).map_err(|_| "it is not UTF-8".to_owned())?;
        json.push(open);
        json.extend_from_slice(&column.key);
        write_value(json, field, column.is_text, false);
        open = b',';
    }
    json.push(b'}');
    Ok(())
}

/// A row of JSON is at most 4 GiB from the first.
fn span(start: usize, end: usize, held: &Held) -> Result<(u32, u32), Refusal> {
    match (u32::try_from(start), u32::try_from(end)) {
        (Ok(start), Ok(end)) => Ok((start, end)),
        _ => Err(held.too_much()),
    }
}
