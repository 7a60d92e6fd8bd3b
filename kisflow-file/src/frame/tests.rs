//! Bytes to rows: what comes out, and that it is the same however the bytes are cut.

use kisflow_core::{BoxError, RawRow, Row};
use proptest::prelude::*;

use super::*;
use crate::params::{Format, StdinParams};

/// A row as it stands.
struct Raw(Vec<u8>);

impl Row for Raw {
    fn decode(row: RawRow<'_>) -> Result<Self, BoxError> {
        Ok(Self(row.bytes().to_vec()))
    }
}

fn framing(params: &StdinParams) -> Framing {
    params.framing().unwrap()
}

fn lines(limit: usize) -> Framing {
    framing(&StdinParams { max_line_bytes: limit, ..StdinParams::default() })
}

fn csv(limit: usize) -> Framing {
    let format = Some(Format::Csv);
    framing(&StdinParams { format, max_line_bytes: limit, ..StdinParams::default() })
}

/// Each row with its offset, of text that comes in pieces; batches of at most `most` rows.
fn read(framing: &Framing, most: usize, when: When, pieces: &[&[u8]]) -> Vec<(u64, String)> {
    let mut framer = Framer::new("test".into(), framing.clone());
    let mut rows = Vec::new();
    let mut end = 0;
    let mut drain = |framer: &mut Framer| {
        while let Some(cut) = framer.cut(most, when).unwrap() {
            let batch = cut.batch.rows::<Raw>().unwrap();
            assert!((1..=most).contains(&batch.len()));
            for (index, Raw(row)) in batch.iter().enumerate() {
                let offset = cut.places.offset(index);
                assert!((end..cut.end).contains(&offset), "{offset} is not in {end}..{}", cut.end);
                // A line keeps its carriage return, which JSON does not mind; a record does not.
                let row = if framing.csv.is_some() { row } else { row.trim_ascii_end() };
                rows.push((offset, String::from_utf8_lossy(row).into_owned()));
            }
            end = cut.end;
        }
    };
    for piece in pieces {
        framer.push(piece);
        drain(&mut framer);
    }
    framer.finish();
    drain(&mut framer);
    assert!(framer.is_finished());
    rows
}

fn check(framing: &Framing, text: &[u8], expect: &[(u64, &str)]) {
    let rows = read(framing, 500, When::Full, &[text]);
    let expect: Vec<_> = expect.iter().map(|(at, row)| (*at, (*row).to_owned())).collect();
    assert_eq!(rows, expect);
}

#[test]
fn lines_are_rows_and_blank_ones_are_not() {
    check(
        &lines(100),
        b"\xEF\xBB\xBF{\"a\":1}\r\n\n  \t\r\n{\"a\":2}\n\n{\"a\":3}",
        &[(3, "{\"a\":1}"), (18, "{\"a\":2}"), (27, "{\"a\":3}")],
    );
    check(&lines(100), b"", &[]);
    check(&lines(100), b"\n \r\n\n", &[]);
}

#[test]
fn nul_bytes_before_a_line_are_passed_over_and_counted() {
    let hole = "\0".repeat(5000);
    for (framing, text, expect) in [
        (lines(100), format!("{hole}1\n2\n"), vec![(5000, "1"), (5002, "2")]),
        (lines(100), format!("1\n{hole}2\n"), vec![(0, "1"), (5002, "2")]),
        (lines(100), format!("1\n\n \n{hole}2"), vec![(0, "1"), (5005, "2")]),
        (lines(100), hole.clone(), vec![]),
        (csv(100), format!("{hole}a\n1\n"), vec![(5002, "{\"a\":1}")]),
        (csv(100), format!("a\n{hole}1\n2\n"), vec![(5002, "{\"a\":1}"), (5004, "{\"a\":2}")]),
        (csv(100), format!("a\n1\n\n{hole}2"), vec![(2, "{\"a\":1}"), (5005, "{\"a\":2}")]),
    ] {
        check(&framing, text.as_bytes(), &expect);
        let mut framer = Framer::new("test".into(), framing);
        framer.push(text.as_bytes());
        framer.finish();
        while framer.cut(1, When::Any).unwrap().is_some() {}
        assert_eq!((framer.take_skipped(), framer.take_skipped()), (5000, 0), "{text}");
    }
    // Within a line they are part of it.
    check(&lines(100), b"1\0\n", &[(0, "1\0")]);
}

#[test]
fn a_line_that_is_too_long_is_a_row_of_its_own_with_its_beginning() {
    let note = |kept, length, limit| {
        format!(
            " … (the first {kept} bytes of a line of {length} bytes, which is longer than the {limit} of `max_line_bytes`)"
        )
    };
    check(
        &lines(7),
        b"{\"a\":1}\n{\"a\":20}\n{\"a\":3}\n",
        &[(0, "{\"a\":1}"), (8, &format!("{{\"a\":20}}{}", note(8, 8, 7))), (17, "{\"a\":3}")],
    );
    // A character that the cut goes through is left out.
    let long = "ä".repeat(2000);
    let long = format!("x{long}");
    check(
        &lines(100),
        long.as_bytes(),
        &[(0, &format!("x{}{}", "ä".repeat(511), note(1023, 4001, 100)))],
    );
}

#[test]
fn the_beginning_of_a_long_line_is_no_json_whatever_it_was() {
    for line in ["{\"a\":1}", "12", "\"text", "[1,2", "null", "{\"a\":\"b\\", "[", "{"] {
        let text = format!("{line}{}\n", " ".repeat(40));
        let rows = read(&lines(30), 500, When::Full, &[text.as_bytes()]);
        let [(0, row)] = &*rows else { panic!("{rows:?}") };
        assert!(row.starts_with(line));
        assert!(serde_json::from_str::<serde_json::Value>(row).is_err(), "{row}");
    }
}

#[test]
fn bytes_that_are_no_utf8_are_a_row_as_they_stand() {
    check(
        &lines(100),
        b"{\"a\":1}\n\xFF\xFE\xFD\n",
        &[(0, "{\"a\":1}"), (8, "\u{FFFD}\u{FFFD}\u{FFFD}")],
    );
    check(&csv(100), b"a,b\n1,\xFF\n1,2\n", &[(4, "1,\u{FFFD}"), (8, r#"{"a":1,"b":2}"#)]);
}

#[test]
fn csv_records_are_objects_with_the_names_of_the_header() {
    check(
        &csv(100),
        b"\xEF\xBB\xBF\r\nid,\"full \"\"name\"\"\",note\r\n1,\"Ada, \"\"L\"\"\",\r\n\r\n2,\"two\r\nlines\",true\r\n3,x,\"\"\n",
        &[
            (30, r#"{"id":1,"full \"name\"":"Ada, \"L\"","note":null}"#),
            (49, r#"{"id":2,"full \"name\"":"two\r\nlines","note":true}"#),
            (70, r#"{"id":3,"full \"name\"":"x","note":null}"#),
        ],
    );
}

#[test]
fn a_csv_record_with_other_fields_than_the_header_is_a_row_as_it_stands() {
    check(
        &csv(100),
        b"a,b\n1\n1,2\n1,2,\"3\"\r\n\"x\ny\",2,3\n5,6",
        &[
            (4, "1"),
            (6, r#"{"a":1,"b":2}"#),
            (10, "1,2,\"3\""),
            (19, "\"x\ny\",2,3"),
            (29, r#"{"a":5,"b":6}"#),
        ],
    );
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    check(
        &csv(100),
        b"a,b\n1,\"2\n3,4\n5,6\n",
        &[(4, "1,\"2"), (9, r#"{"a":3,"b":4}"#), (13, r#"{"a":5,"b":6}"#)],
    );
    // Also where the end is far away.
    let text = format!("a,b\n1,\"2\n{}", "3,4\n".repeat(100));
    let rows = read(&csv(50), 500, When::Full, &[text.as_bytes()]);
    assert_eq!(rows.len(), 101);
    assert_eq!(rows[0].1, "1,\"2");
    assert!(rows[1..].iter().all(|(_, row)| row == r#"{"a":3,"b":4}"#));
}

#[test]
fn text_behind_a_closing_quote_does_not_swallow_the_next_line() {
    check(
        &csv(100),
        b"a,b\n1,\"2\n3,\"4\"\r\n\"5\"x,6\r\n\"7\",\"8\"\r\n\"9\"\r,0\n",
        &[
            (4, "1,\"2"),
            (9, r#"{"a":3,"b":4}"#),
            (16, "\"5\"x,6"),
            (24, r#"{"a":7,"b":8}"#),
            (33, "\"9\"\r,0"),
        ],
    );
}

#[test]
fn a_csv_line_that_is_too_long_costs_itself() {
    let text = format!("a,b\n1,{}\n3,4\n", "x".repeat(60));
    let rows = read(&csv(50), 500, When::Full, &[text.as_bytes()]);
    assert_eq!(rows.len(), 2);
    assert!(rows[0].1.starts_with("1,xxx") && rows[0].1.contains("a line of 62 bytes"), "{rows:?}");
    assert_eq!(rows[1], (67, r#"{"a":3,"b":4}"#.to_owned()));
}

#[test]
fn fields_delimiter_and_text_are_what_the_params_say() {
    let params = StdinParams {
        format: Some(Format::Csv),
        delimiter: Some("\t".to_owned()),
        header: false,
        fields: vec!["zip".to_owned(), "n".to_owned()],
        text: vec!["zip".to_owned()],
        ..StdinParams::default()
    };
    check(
        &framing(&params),
        b"12345\t1,5\n\t\n",
        &[(0, r#"{"zip":"12345","n":"1,5"}"#), (10, r#"{"zip":"","n":null}"#)],
    );
}

#[test]
fn text_that_cannot_be_used_at_all_is_an_error_and_says_so() {
    let error = |framing: Framing, text: &[u8]| {
        let mut framer = Framer::new("x.csv".into(), framing);
        framer.push(text);
        framer.finish();
        let error = framer.cut(10, When::Any).err().unwrap();
        assert!(error.is_content());
        error.to_string()
    };
    let utf16 = "x.csv is in UTF-16; convert it, as with `iconv -f UTF-16 -t UTF-8`";
    assert_eq!(error(lines(100), b"\xFF\xFE{\0"), utf16);
    assert_eq!(error(lines(100), b"\xFE\xFF\0{"), utf16);
    assert_eq!(
        error(csv(100), b"a,b,a\n"),
        "the header of x.csv has the name `a` twice; rename one"
    );
    assert_eq!(error(csv(4), b"a,b,c\n"), "the header of x.csv is longer than `max_line_bytes`");
    assert_eq!(
        error(csv(100), b"\"a\"b,c\n"),
        "the header of x.csv has text behind a closing quote; mend it"
    );
    assert_eq!(
        error(csv(100), b"\"a,b\n1,2\n"),
        "the header of x.csv does not end: a quote is not closed, or `max_line_bytes` is too small"
    );
}

/// Inputs with everything in them that a cut may go through.
fn awkward() -> Vec<(Framing, &'static [u8])> {
    vec![
        (lines(12), b"\xEF\xBB\xBF{\"a\":1}\r\n\n  \r\n{\"b\":\"\xC3\xA4\"}\n0123456789abcd\n\xFF\n{\"a\":345678}\r\nlast"),
        (lines(12), b"\n0123456789abcdefghi"),
        (lines(3), b"\xEF\xBBx\nabc\nabcd\nabc\r\nab\r\n"),
        (csv(12), b"\xEF\xBB\xBFa,\"b\"\r\n\r\n1,\"x\r\ny\"\"z\"\n1\n \n2,\xFF\n3,\"open\n4,5\r\n6,7"),
        (csv(12), b"a,b\n1,\"open\n2,3\n4,5\n0123456789abcdef,8\n\"0123456789abcdef\n\",1\n6,7\r\n"),
        (csv(12), b"a,b\n1,\"2\n3,\"4\"\r\n\"5\"x,6\r\n\"7\",\"8\"\r\n\"9\"\r,0\n\"1\"2345678901234567\n1,\"2\"\r"),
        (csv(4), b"a,b\r\n1,23\n1,2\r\n1,23\r\n\"\",\"\"\n"),
    ]
}

#[test]
fn rows_are_the_same_wherever_the_bytes_are_cut() {
    for (framing, text) in awkward() {
        let whole = read(&framing, 500, When::Full, &[text]);
        assert!(!whole.is_empty());
        for most in [1, 2, 500] {
            for when in [When::Full, When::Any] {
                let bytes: Vec<_> = text.chunks(1).collect();
                assert_eq!(read(&framing, most, when, &bytes), whole, "byte by byte");
                for first in 0..=text.len() {
                    for second in first..=text.len() {
                        let pieces = [&text[..first], &text[first..second], &text[second..]];
                        assert_eq!(
                            read(&framing, most, when, &pieces),
                            whole,
                            "cut at {first}, {second}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let chunk = vec![b'x'; 64 << 10];
    for framing in [lines(1 << 20), csv(1 << 20)] {
        let mut framer = Framer::new("test".into(), framing);
        framer.push(b"a,b\n");
        let mut most = 0;
        for _ in 0..1600 {
            framer.push(&chunk);
            let _ = framer.cut(500, When::Full).unwrap();
            most = most.max(framer.buffer.capacity());
        }
        assert!(most < 4 << 20, "{most} bytes were held");
        framer.push(b"\n1,2\n");
        let cut = framer.cut(500, When::Any).unwrap().unwrap();
        let rows = cut.batch.rows::<Raw>().unwrap();
        assert!(String::from_utf8_lossy(&rows[0].0).contains("of a line of 104857600 bytes"));
        assert_eq!(framer.cut(500, When::Any).unwrap().unwrap().batch.len(), 1);
    }
}

#[test]
fn long_rows_travel_in_batches_of_bounded_size() {
    let mut framer = Framer::new("test".into(), lines(1 << 20));
    let line = [vec![b'x'; 100 << 10], b"\n".to_vec()].concat();
    let mut rows = 0;
    for _ in 0..100 {
        framer.push(&line);
        while let Some(cut) = framer.cut(500, When::Full).unwrap() {
            assert!(cut.batch.len() < 20);
            rows += cut.batch.len();
        }
    }
    assert!(rows > 80, "{rows}");
}

proptest! {
    #[test]
    fn csv_that_others_write_is_read_as_they_meant_it(
        records in prop::collection::vec(prop::collection::vec("[a-c0,;\"\r\n ]{0,6}", 3), 1..6),
        quote in prop::sample::select(vec![::csv::QuoteStyle::Necessary, ::csv::QuoteStyle::Always]),
        returns: bool,
    ) {
        let mut writer = ::csv::WriterBuilder::new();
        writer.quote_style(quote);
        if returns {
            writer.terminator(::csv::Terminator::CRLF);
        }
        let mut writer = writer.from_writer(Vec::new());
        for record in &records {
            writer.write_record(record).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let names: Vec<String> = ["x", "y", "z"].map(str::to_owned).to_vec();
        let framing = framing(&StdinParams {
            format: Some(Format::Csv),
            header: false,
            fields: names.clone(),
            text: names,
            ..StdinParams::default()
        });
        let rows = read(&framing, 2, When::Full, &[&text]);
        let objects: Vec<_> = rows.iter().map(|(_, row)| serde_json::from_str::<serde_json::Value>(row).unwrap()).collect();
        let expect: Vec<_> = records.iter().map(|record| serde_json::json!({"x": record[0], "y": record[1], "z": record[2]})).collect();
        prop_assert_eq!(objects, expect);
    }
}
