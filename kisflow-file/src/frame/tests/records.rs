//! CSV: which records are rows, which are not and why, and that others mean the same by them.

use proptest::prelude::*;

use super::*;

/// Rows of two columns behind a header, whose lines have at most 100 bytes and records 4 lines.
fn broken(text: &[u8], expect: &[(u64, &str)]) {
    let framing = options(|params| (params.max_line_bytes, params.quote_lines) = (100, 4));
    check(&framing, &[b"a,b\n", text].concat(), expect);
}

#[test]
fn a_record_with_other_fields_than_the_header_says_so() {
    broken(
        b"1\n1,2\n1,2,\"3\"\r\n\"x\ny\",2,3\n,\n\"\"\n5,6",
        &[
            (4, "1 ! 1 field, the header has 2"),
            (6, r#"{"a":1,"b":2}"#),
            (10, "1,2,\"3\" ! 3 fields, the header has 2"),
            (19, "\"x\ny\",2,3 ! 3 fields, the header has 2"),
            (29, r#"{"a":null,"b":null}"#),
            (31, "\"\" ! 1 field, the header has 2"),
            (34, r#"{"a":5,"b":6}"#),
        ],
    );
    broken(
        b"1;2\n1;2;3\n\"1;2\"\n",
        &[
            (4, "1;2 ! 1 field, the header has 2; set `delimiter` to ';'"),
            (8, "1;2;3 ! 1 field, the header has 2"),
            (14, "\"1;2\" ! 1 field, the header has 2; set `delimiter` to ';'"),
        ],
    );
    let named = options(|params| {
        params.header = false;
        params.fields = vec!["a".to_owned(), "b".to_owned()];
    });
    check(&named, b"1\n1,2", &[(0, "1 ! 1 field, `fields` has 2"), (2, r#"{"a":1,"b":2}"#)]);
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    broken(
        b"1,\"2\n3,4\n5,6\n",
        &[
            (4, "1,\"2 ! b: a quote is not closed"),
            (9, r#"{"a":3,"b":4}"#),
            (13, r#"{"a":5,"b":6}"#),
        ],
    );
    broken(b"1,\"2", &[(4, "1,\"2 ! b: a quote is not closed")]);
    broken(b"\"\n", &[(4, "\" ! a: a quote is not closed")]);
    for end in ["\n", "\r", "\r\n"] {
        let text = ["1,\"2", "3,4", "5,6", "7,8", "9,0", "1,\"2"].join(end);
        let rows = read(
            &options(|params| params.quote_lines = 4),
            500,
            When::Full,
            &[b"a,b\n", text.as_bytes()],
        );
        let texts: Vec<_> = rows.iter().map(|(_, row)| &**row).collect();
        assert_eq!(
            texts,
            [
                "1,\"2 ! b: a quote is not closed within 4 lines, as `quote_lines` says",
                r#"{"a":3,"b":4}"#,
                r#"{"a":5,"b":6}"#,
                r#"{"a":7,"b":8}"#,
                r#"{"a":9,"b":0}"#,
                "1,\"2 ! b: a quote is not closed",
            ]
        );
    }
}

#[test]
fn quoted_line_ends_are_part_of_the_value_as_long_as_there_are_few() {
    broken(
        b"1,\"w\nx\ry\r\nz\"\n3,4",
        &[(4, r#"{"a":1,"b":"w\nx\ry\r\nz"}"#), (17, r#"{"a":3,"b":4}"#)],
    );
    let long = "x\n".repeat(99);
    let text = format!("a,b\n1,\"{long}\"\n3,4\n");
    let rows = read(&csv(1 << 20), 500, When::Full, &[text.as_bytes()]);
    assert_eq!(rows.len(), 2, "the default is 100 lines");
    let rows =
        read(&options(|params| params.quote_lines = 99), 500, When::Full, &[text.as_bytes()]);
    assert_eq!(rows.len(), 101, "{:?}", rows.get(..3));
}

#[test]
fn a_quote_that_stays_open_holds_up_nothing_when_nothing_more_comes() {
    let mut framer = Framer::new("test".into(), csv(100));
    framer.push(b"a,b\n1,2\n3,\"4\n5,6\n7,8\n9,0");
    let next = |framer: &mut Framer| {
        let cut = framer.cut(500, When::Any).unwrap()?;
        let broken: Vec<_> = cut.batch.unreadable().iter().map(|reject| reject.index()).collect();
        Some((cut.batch.len(), broken))
    };
    assert_eq!(next(&mut framer), Some((1, vec![])));
    assert_eq!(next(&mut framer), None, "more may come");
    assert!(framer.held_up().is_some());
    assert_eq!(next(&mut framer), Some((3, vec![0])));
    assert_eq!(next(&mut framer), None, "the last line has not ended");
    assert_eq!(next(&mut framer), None);
    assert!(framer.held_up().is_none());
    framer.push(b"\n8,\"x\n");
    assert_eq!(next(&mut framer), Some((1, vec![])));
    assert_eq!(next(&mut framer), None);
    assert!(framer.held_up().is_some());
    framer.push(b"\"\n");
    let cut = framer.cut(500, When::Any).unwrap().unwrap();
    assert_eq!(cut.batch.row_text(0), r#"{"a":8,"b":"x\n"}"#);
}

#[test]
fn a_header_with_an_open_quote_is_an_error_as_soon_as_a_row_would_be() {
    let mut framer = Framer::new("x.csv".into(), csv(100));
    framer.push(b"a,\"b\n1,2\n");
    assert!(framer.cut(500, When::Any).unwrap().is_none());
    assert!(framer.held_up().is_some());
    let error = framer.cut(500, When::Any).err().unwrap();
    assert_eq!(error.to_string(), "the header of x.csv has a quote that is not closed; close it");
    let mut framer = Framer::new("x.csv".into(), options(|params| params.quote_lines = 3));
    framer.push(b"a,\"b\n1,2\n3,4\n5,6\n");
    assert!(framer.cut(500, When::Full).is_err());
}

#[test]
fn text_behind_a_closing_quote_does_not_swallow_the_next_line() {
    broken(
        b"1,\"2\n3,\"4\"\r\n\"5\"x,6\r\n\"7\",\"8\"\r\n\"9\" ,0\n",
        &[
            (4, "1,\"2 ! b: text behind a closing quote"),
            (9, r#"{"a":3,"b":4}"#),
            (16, "\"5\"x,6 ! a: text behind a closing quote"),
            (24, r#"{"a":7,"b":8}"#),
            (33, "\"9\" ,0 ! a: text behind a closing quote"),
        ],
    );
}

#[test]
fn lines_end_as_they_like() {
    let rows = |end: &str, last: &str| {
        let text = ["a,b", "1,2", "", "3,\"x\"", "4"].join(end) + last;
        let rows = read(&csv(100), 500, When::Full, &[text.as_bytes()]);
        rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
    };
    for end in ["\n", "\r\n", "\r"] {
        for last in ["", end] {
            assert_eq!(
                rows(end, last),
                [r#"{"a":1,"b":2}"#, r#"{"a":3,"b":"x"}"#, "4 ! 1 field, the header has 2"],
                "{end:?} {last:?}"
            );
        }
    }
    broken(
        b"1,2\r3,4\r\n5,6\n7,\"8\"\r\"9\"\r\r",
        &[
            (4, r#"{"a":1,"b":2}"#),
            (8, r#"{"a":3,"b":4}"#),
            (13, r#"{"a":5,"b":6}"#),
            (17, r#"{"a":7,"b":8}"#),
            (23, "\"9\" ! 1 field, the header has 2"),
        ],
    );
    check(&csv(100), b"a,b\r", &[]);
    check(&csv(100), b"\xEF\xBB\xBF\r\n\r\na,b", &[]);
}

#[test]
fn values_that_are_no_text_say_which_and_why() {
    broken(
        b"1,\xE9t\xE9\nx\0,2\n1,\"\0\"\n\xFF\n3,\xC3\xA9\n",
        &[
            (
                4,
                "1,\u{FFFD}t\u{FFFD} ! b: not UTF-8: byte 0xE9; convert the file, as with `iconv -f LATIN1 -t UTF-8`",
            ),
            (10, "x\0,2 ! a: a NUL byte"),
            (15, "1,\"\0\" ! b: a NUL byte"),
            (21, "\u{FFFD} ! 1 field, the header has 2"),
            (23, r#"{"a":3,"b":"é"}"#),
        ],
    );
}

#[test]
fn a_line_that_is_too_long_costs_itself() {
    let text = format!("a,b\n1,{}\n3,4\r5,{}\r6,7", "x".repeat(60), "y".repeat(60));
    let long = |line: &str| format!("{line}{}", too_long(62, 50, 62));
    check(
        &csv(50),
        text.as_bytes(),
        &[
            (4, &long(&format!("1,{}", "x".repeat(60)))),
            (67, r#"{"a":3,"b":4}"#),
            (71, &long(&format!("5,{}", "y".repeat(60)))),
            (134, r#"{"a":6,"b":7}"#),
        ],
    );
    let text = format!("a,b\n1,\"2\n{}3,4", "3,4\n".repeat(20));
    let rows = read(&csv(50), 500, When::Full, &[text.as_bytes()]);
    assert_eq!(
        rows[0].1,
        "1,\"2 ! with its quoted line ends the record has more than the 50 bytes of `max_line_bytes`; is a quote not closed?"
    );
    assert_eq!(rows.len(), 22);
}

#[test]
fn comments_blanks_and_decimal_commas_are_what_the_params_say() {
    let commented = options(|params| params.comment = Some("#".to_owned()));
    check(
        &commented,
        b"# a \"comment\n\n#\na,#b\n1,#2\n#3,\"4\r\n\"#5\",6\n#",
        &[(21, r##"{"a":1,"#b":"#2"}"##), (33, r##"{"a":"#5","#b":6}"##)],
    );
    let header =
        options(|params| (params.trim, params.text) = (Trim::Header, vec!["b c".to_owned()]));
    check(&header, b" a ,\tb c\r\n 1, 2\n", &[(10, r#"{"a":" 1","b c":" 2"}"#)]);
    let all = options(|params| params.trim = Trim::All);
    check(
        &all,
        b" a ,\tb\r\n 1 , x y \n\" 2\",\n",
        &[(8, r#"{"a":1,"b":"x y"}"#), (18, r#"{"a":2,"b":null}"#)],
    );
    let german = options(|params| {
        params.delimiter = Some(";".to_owned());
        params.decimal_comma = true;
    });
    check(
        &german,
        b"a;b\n1,5;2.5\n-3;\"4,25\"\n",
        &[(4, r#"{"a":1.5,"b":"2.5"}"#), (12, r#"{"a":-3,"b":4.25}"#)],
    );
}

#[test]
fn one_line_is_read_as_those_of_its_source() {
    let check = |form: &CsvForm, line: &str, expect: Result<&str, &str>| {
        let row = csv_row(form, line);
        assert_eq!(row.as_deref().map_err(|cause| &**cause), expect, "{line}");
    };
    let mut form = CsvForm::new(["a", "b"]);
    check(&form, "1,\"x\ny\"\r\n", Ok(r#"{"a":1,"b":"x\ny"}"#));
    check(&form, "1", Err("1 field, the header has 2"));
    check(&form, "1,2\n3,4", Err("expected one record, found more lines"));
    check(&form, "1,\"2", Err("field `b`: a quote is not closed"));
    check(&form, " \n", Err("the line is blank"));
    (form.delimiter, form.trim, form.decimal_comma) = (';', true, true);
    form.text = vec!["b".to_owned()];
    check(&form, " 1,5 ; 2", Ok(r#"{"a":1.5,"b":"2"}"#));
}

proptest! {
    #[test]
    fn csv_that_others_write_is_read_as_they_meant_it(
        records in prop::collection::vec(prop::collection::vec("[a-c0,;\"\r\n ]{0,6}", 3), 1..6),
        quote in prop::sample::select(vec![::csv::QuoteStyle::Necessary, ::csv::QuoteStyle::Always]),
        end in prop::sample::select(vec![::csv::Terminator::CRLF, ::csv::Terminator::Any(b'\n'), ::csv::Terminator::Any(b'\r')]),
    ) {
        let mut writer = ::csv::WriterBuilder::new();
        let mut writer = writer.quote_style(quote).terminator(end).from_writer(Vec::new());
        for record in &records {
            writer.write_record(record).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let names: Vec<String> = ["x", "y", "z"].map(str::to_owned).to_vec();
        let framing = options(|params| {
            params.header = false;
            params.fields.clone_from(&names);
            params.text = names;
        });
        let rows = read(&framing, 2, When::Full, &[&text]);
        let objects: Vec<_> = rows.iter().map(|(_, row)| serde_json::from_str::<serde_json::Value>(row).unwrap()).collect();
        let expect: Vec<_> = records.iter().map(|record| serde_json::json!({"x": record[0], "y": record[1], "z": record[2]})).collect();
        prop_assert_eq!(objects, expect);
    }

    /// Quotes and line ends anywhere: the same rows wherever the text is cut, and each byte of it in
    /// a row, or between rows.
    #[test]
    fn any_text_is_read_the_same_however_it_is_cut(
        text in "[ab0,\"\r\n#\\x00é]{0,60}",
        cuts in prop::collection::vec(0..60_usize, 0..6),
        most in 1..4_usize,
    ) {
        let framing = options(|params| {
            (params.max_line_bytes, params.quote_lines) = (20, 3);
            params.comment = Some("#".to_owned());
        });
        let text = format!("x,y\r\n{text}");
        let whole = read(&framing, 500, When::Full, &[text.as_bytes()]);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
        prop_assert_eq!(read(&framing, most, When::Full, &pieces), whole.clone());
        prop_assert_eq!(read(&framing, most, When::Any, &pieces), whole);
    }
}
