//! Bytes to rows: what comes out, and that it is the same however the bytes are cut.

use kisflow_core::error_chain;

mod records;
mod values;

use super::*;
use crate::params::{Format, StdinParams};

fn framing(params: &StdinParams) -> Framing {
    params.framing().unwrap()
}

fn lines(limit: usize) -> Framing {
    framing(&StdinParams { max_line_bytes: limit, ..StdinParams::default() })
}

/// CSV, with what `set` says.
fn options(set: impl FnOnce(&mut StdinParams)) -> Framing {
    let format = Some(Format::Csv);
    let mut params =
        StdinParams { format, quote_wait: std::time::Duration::ZERO, ..StdinParams::default() };
    set(&mut params);
    framing(&params)
}

fn csv(limit: usize) -> Framing {
    options(|params| params.max_line_bytes = limit)
}

/// Each row with its offset, of text that comes in pieces; batches of at most `most` rows.
fn read(framing: &Framing, most: usize, when: When, pieces: &[&[u8]]) -> Vec<(u64, String)> {
    let mut framer = Framer::new("test".into(), framing.clone());
    let mut rows = Vec::new();
    let mut end = 0;
    let mut drain = |framer: &mut Framer| {
        while let Some(cut) = framer.cut(most, when).unwrap() {
            assert!((1..=most).contains(&cut.batch.len()));
            let mut broken = cut.batch.unreadable().into_iter().peekable();
            for index in 0..cut.batch.len() {
                let offset = cut.places.offset(index);
                // An unclosed array is reported where its end is missing.
                let is_there = (end..cut.end).contains(&offset)
                    || (offset == cut.end && *cut.batch.row_text(index) == *b"[");
                assert!(is_there, "{offset} is not in {end}..{}", cut.end);
                // A line keeps its carriage return, which JSON does not mind; a record does not.
                let row = cut.batch.row_text(index);
                let row = if framing.csv.is_some() { &row } else { row.trim_ascii_end() };
                let mut row = String::from_utf8_lossy(row).into_owned();
                if let Some(reject) = broken.next_if(|reject| reject.index() == index) {
                    let field = reject.field().map(|field| format!("{field}: "));
                    let field = field.unwrap_or_default();
                    row += &format!(" ! {field}{}", error_chain(reject.cause()));
                }
                rows.push((offset, row));
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

/// What stands behind a line that is too long.
fn too_long(length: usize, limit: usize, kept: usize) -> String {
    format!(
        " ! the line has {length} bytes, more than the {limit} of `max_line_bytes`; the first {kept} are kept"
    )
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
    check(
        &lines(7),
        b"{\"a\":1}\n{\"a\":20}\n{\"a\":3}\n",
        &[(0, "{\"a\":1}"), (8, &format!("{{\"a\":20}}{}", too_long(8, 7, 8))), (17, "{\"a\":3}")],
    );
    // A character that the cut goes through is left out.
    let long = "ä".repeat(2000);
    let long = format!("x{long}");
    check(
        &lines(100),
        long.as_bytes(),
        &[(0, &format!("x{}{}", "ä".repeat(511), too_long(4001, 100, 1023)))],
    );
}

#[test]
fn bytes_that_are_no_utf8_are_a_row_as_they_stand() {
    check(
        &lines(100),
        b"{\"a\":1}\n\xFF\xFE\xFD\n",
        &[(0, "{\"a\":1}"), (8, "\u{FFFD}\u{FFFD}\u{FFFD}")],
    );
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
    for name in ["a;b;c", "a\tb", "a|b"] {
        let other = name.chars().nth(1).unwrap();
        assert_eq!(
            error(csv(100), format!("{name}\n1{other}2\n").as_bytes()),
            format!(
                "the header of x.csv has one name, `{name}`: set `delimiter` to {other:?}, or to ',' if there is one"
            )
        );
    }
    assert_eq!(
        error(csv(100), b"\"a\"b,c\n"),
        "the header of x.csv has text behind a closing quote; mend it"
    );
    assert_eq!(
        error(csv(100), b"\"a,b\n1,2\n"),
        "the header of x.csv has a quote that is not closed; close it"
    );
}

/// Inputs with everything in them that a cut may go through.
fn awkward() -> Vec<(Framing, &'static [u8])> {
    let commented = options(|params| {
        params.max_line_bytes = 12;
        params.comment = Some("#".to_owned());
        params.trim = Trim::All;
    });
    let short = options(|params| (params.max_line_bytes, params.quote_lines) = (30, 3));
    vec![
        (lines(12), b"\xEF\xBB\xBF{\"a\":1}\r\n\n  \r\n{\"b\":\"\xC3\xA4\"}\n0123456789abcd\n\xFF\n{\"a\":345678}\r\nlast"),
        (lines(12), b"\n0123456789abcdefghi"),
        (lines(3), b"\xEF\xBBx\nabc\nabcd\nabc\r\nab\r\n"),
        (csv(12), b"\xEF\xBB\xBFa,\"b\"\r\n\r\n1,\"x\r\ny\"\"z\"\n1\n \n2,\xFF\n3,\"open\n4,5\r\n6,7"),
        (csv(12), b"a,b\n1,\"open\n2,3\n4,5\n0123456789abcdef,8\n\"0123456789abcdef\n\",1\n6,7\r\n"),
        (csv(12), b"a,b\n1,\"2\n3,\"4\"\r\n\"5\"x,6\r\n\"7\",\"8\"\r\n\"9\"\r,0\n\"1\"2345678901234567\n1,\"2\"\r"),
        (csv(4), b"a,b\r\n1,23\n1,2\r\n1,23\r\n\"\",\"\"\n"),
        (csv(12), b"a,b\r1,2\r\r\n3,4\r\n5,\"6\r\n\r7\"\r0123456789abcdef\r8,\0\r9,\"0\"\r"),
        (commented, b"# \"one\n a ,b\r#\r\n 1,\" 2 \"\r\n#0123456789abcdef\n3,4\n#"),
        (short, b"a,b\n1,\"x\ny\nz\"\n2,\"x\r\ny\rz\n\"\n3,\"\n4,5\n6,\"7\n8,9\n0,1"),
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
        let cause = cut.batch.unreadable()[0].cause().to_string();
        assert!(cause.contains("the line has 104857600 bytes"), "{cause}");
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
