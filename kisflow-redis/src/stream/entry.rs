//! [`Page`]: the entries of an answer as ids and rows, without a copy where one field is the row.

use fred::{
    bytes::{Bytes, BytesMut},
    types::Resp3Frame,
};
use kisflow_core::PlainValue;

/// What of an entry is the row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RowField {
    /// The field `row` or `data` where it is alone; otherwise all of them.
    Guess,
    /// All fields, as one JSON object.
    All,
    /// This field; all of them where it is missing.
    Named(String),
}

impl RowField {
    /// As `params.field` says.
    pub(super) fn new(field: Option<&str>) -> Self {
        match field {
            None => Self::Guess,
            Some("*") => Self::All,
            Some(name) => Self::Named(name.to_owned()),
        }
    }
}

/// The entries of one answer, in its order.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) ids: Vec<Bytes>,
    pub(super) rows: Vec<Bytes>,
    /// Entries that were deleted while they were pending.
    pub(super) gone: Vec<Bytes>,
    /// The last id, of a row or of what is gone.
    pub(super) last: Option<Bytes>,
    /// The first and the last id of each answer with new entries, between which the group has given
    /// no entry to anybody else.
    pub(super) spans: Vec<(Bytes, Bytes)>,
}

/// An answer that has not the form that it has to have.
#[derive(Debug)]
pub(super) struct Unreadable;

impl Page {
    /// The entries that `XREADGROUP` answers for one stream.
    pub(super) fn of_streams(answer: Resp3Frame, field: &RowField) -> Result<Self, Unreadable> {
        let entries = match answer {
            Resp3Frame::Null => return Ok(Self::default()),
            Resp3Frame::Array { data, .. } => match data.into_iter().next() {
                None => return Ok(Self::default()),
                Some(stream) => array(stream)?.into_iter().nth(1).ok_or(Unreadable)?,
            },
            // What RESP3 would answer.
            Resp3Frame::Map { data, .. } => match data.into_iter().next() {
                None => return Ok(Self::default()),
                Some((_, entries)) => entries,
            },
            _ => return Err(Unreadable),
        };
        let entries = array(entries)?;
        let mut page = Self {
            ids: Vec::with_capacity(entries.len()),
            rows: Vec::with_capacity(entries.len()),
            ..Self::default()
        };
        let mut objects = BytesMut::new();
        for entry in entries {
            let mut parts = array(entry)?.into_iter();
            let id = parts.next().and_then(text).ok_or(Unreadable)?;
            page.last = Some(id.clone());
            match parts.next() {
                Some(Resp3Frame::Array { data, .. }) => {
                    page.rows.push(row(data, field, &mut objects)?);
                    page.ids.push(id);
                }
                _ => page.gone.push(id),
            }
        }
        Ok(page)
    }

    /// How many entries the answer had.
    pub(super) fn entries(&self) -> usize {
        self.ids.len() + self.gone.len()
    }

    pub(super) fn append(&mut self, mut more: Self) {
        self.ids.append(&mut more.ids);
        self.rows.append(&mut more.rows);
        self.spans.append(&mut more.spans);
    }

    /// Marks all entries of the page as new: one answer gave them.
    pub(super) fn of_new(mut self) -> Self {
        if let (Some(first), Some(last)) = (self.ids.first(), self.ids.last()) {
            self.spans.push((first.clone(), last.clone()));
        }
        self
    }

    /// Takes out the rows with such ids, and returns the ids.
    pub(super) fn take_out(&mut self, which: impl Fn(&Bytes) -> bool) -> Vec<Bytes> {
        let taken = self.ids.iter().filter(|id| which(id)).cloned().collect();
        self.keep(|id| !which(id));
        taken
    }

    /// Leaves only the rows whose ids are wanted.
    pub(super) fn keep(&mut self, wanted: impl Fn(&Bytes) -> bool) {
        let ids = std::mem::take(&mut self.ids);
        let rows = std::mem::take(&mut self.rows);
        (self.ids, self.rows) = ids.into_iter().zip(rows).filter(|(id, _)| wanted(id)).unzip();
    }
}

/// The row of an entry whose names and values take turns.
fn row(
    mut fields: Vec<Resp3Frame>,
    field: &RowField,
    objects: &mut BytesMut,
) -> Result<Bytes, Unreadable> {
    let at = match field {
        RowField::All => None,
        RowField::Guess => match fields.as_slice() {
            [name, _] if is(name, b"row") || is(name, b"data") => Some(1),
            _ => None,
        },
        RowField::Named(wanted) => fields
            .chunks_exact(2)
            .position(|pair| pair.first().is_some_and(|name| is(name, wanted.as_bytes())))
            .map(|pair| 2 * pair + 1),
    };
    match at {
        Some(at) if at < fields.len() => text(fields.swap_remove(at)).ok_or(Unreadable),
        _ => object(fields, objects),
    }
}

/// All fields as one JSON object. A value is what it looks like, as in CSV (`PlainValue`). Bytes that
/// are no UTF-8 stay as they are: such a row cannot be read, and is seen where such rows are.
fn object(fields: Vec<Resp3Frame>, out: &mut BytesMut) -> Result<Bytes, Unreadable> {
    let mut plain = Vec::new();
    out.extend_from_slice(b"{");
    for (position, part) in fields.into_iter().enumerate() {
        let before: &[u8] = match position {
            0 => b"",
            odd if odd % 2 == 1 => b":",
            _ => b",",
        };
        out.extend_from_slice(before);
        let bytes = text(part).ok_or(Unreadable)?;
        match std::str::from_utf8(&bytes) {
            Ok(value) if position % 2 == 1 => {
                plain.clear();
                PlainValue(value).write_json(&mut plain);
                out.extend_from_slice(&plain);
            }
            _ => quote(&bytes, out),
        }
    }
    out.extend_from_slice(b"}");
    Ok(out.split().freeze())
}

fn quote(text: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(b"\"");
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((byte, behind)) = from.split_first() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
            }
            rest = behind;
        }
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\"");
}

fn array(frame: Resp3Frame) -> Result<Vec<Resp3Frame>, Unreadable> {
    match frame {
        Resp3Frame::Array { data, .. } => Ok(data),
        _ => Err(Unreadable),
    }
}

/// The bytes of a text; shared with the buffer that they were read into.
fn text(frame: Resp3Frame) -> Option<Bytes> {
    match frame {
        Resp3Frame::BlobString { data, .. } | Resp3Frame::SimpleString { data, .. } => Some(data),
        _ => None,
    }
}

fn is(frame: &Resp3Frame, name: &[u8]) -> bool {
    matches!(frame, Resp3Frame::BlobString { data, .. } if data == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(text: impl AsRef<[u8]>) -> Resp3Frame {
        Resp3Frame::BlobString { data: Bytes::copy_from_slice(text.as_ref()), attributes: None }
    }

    fn list(data: Vec<Resp3Frame>) -> Resp3Frame {
        Resp3Frame::Array { data, attributes: None }
    }

    fn check(field: Option<&str>, fields: &[&[u8]], expect: &[u8]) {
        let frames = fields.iter().map(blob).collect();
        let row = row(frames, &RowField::new(field), &mut BytesMut::new()).unwrap();
        assert_eq!(row, expect, "{field:?} of {fields:?}");
    }

    #[test]
    fn the_row_of_an_entry_is_a_field_or_all_of_them() {
        check(None, &[b"row", b"{}"], b"{}");
        check(None, &[b"data", b"[1]"], b"[1]");
        check(None, &[b"data", b"1", b"id", b"2"], br#"{"data":1,"id":2}"#);
        check(None, &[b"id", b"2"], br#"{"id":2}"#);
        check(Some("*"), &[b"row", b"{}"], br#"{"row":"{}"}"#);
        check(Some("body"), &[b"id", b"2", b"body", b"{\"a\":1}"], b"{\"a\":1}");
        check(Some("body"), &[b"id", b"body"], br#"{"id":"body"}"#);
    }

    #[test]
    fn a_value_is_what_it_looks_like_and_a_name_is_text() {
        for (value, json) in [
            ("1", "1"),
            ("-0.50", "-0.50"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "\"18446744073709551616\""),
            ("007", "\"007\""),
            ("-0", "\"-0\""),
            ("1e400", "\"1e400\""),
            ("true", "true"),
            ("", "null"),
            ("{\"a\":1}", "\"{\\\"a\\\":1}\""),
        ] {
            check(None, &[b"7", value.as_bytes()], format!("{{\"7\":{json}}}").as_bytes());
        }
    }

    #[test]
    fn names_and_values_are_escaped_as_json_wants_it() {
        check(
            Some("*"),
            &[b"a\"b", b"c\\\n\x1f\xc3\xa4"],
            "{\"a\\\"b\":\"c\\\\\\n\\u001fä\"}".as_bytes(),
        );
        check(Some("*"), &[b"a", b"\xff"], b"{\"a\":\"\xff\"}");
    }

    #[test]
    fn entries_that_were_deleted_are_told_apart() {
        let entry = |id: &str, row: &str| list(vec![blob(id), list(vec![blob("row"), blob(row)])]);
        let entries = list(vec![entry("1-0", "{}"), list(vec![blob("2-0"), Resp3Frame::Null])]);
        let answer = list(vec![list(vec![blob("orders"), entries])]);
        let page = Page::of_streams(answer, &RowField::Guess).unwrap();
        assert_eq!((page.ids, page.gone), (vec![Bytes::from("1-0")], vec![Bytes::from("2-0")]));
        assert_eq!(page.rows, [Bytes::from("{}")]);
    }

    #[test]
    fn an_answer_of_another_form_is_no_panic() {
        for odd in [blob("x"), list(vec![blob("x")]), list(vec![list(vec![blob("key")])])] {
            assert!(Page::of_streams(odd.clone(), &RowField::Guess).is_err(), "{odd:?}");
        }
        assert!(Page::of_streams(Resp3Frame::Null, &RowField::Guess).unwrap().rows.is_empty());
    }
}
