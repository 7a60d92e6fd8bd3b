//! JSON that is no line a row: values that span lines, and arrays.

use super::*;

fn format(format: Option<Format>, limit: usize) -> Framing {
    let params = StdinParams { format, max_line_bytes: limit, ..StdinParams::default() };
    Framing { quiet: Duration::ZERO, ..framing(&params) }
}

/// As the text begins, and as JSON.
fn both(text: &str, expect: &[(u64, &str)]) {
    for json in [None, Some(Format::Json)] {
        check(&format(json, 1000), text.as_bytes(), expect);
    }
}

/// As the text begins.
fn guessed(text: &str, expect: &[(u64, &str)]) {
    check(&format(None, 1000), text.as_bytes(), expect);
}

fn json(text: &str, expect: &[(u64, &str)]) {
    check(&format(Some(Format::Json), 1000), text.as_bytes(), expect);
}

#[test]
fn values_may_span_lines_and_stand_in_an_array() {
    both(
        "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}",
        &[(0, "{\n  \"a\": 1\n}"), (13, "{\n  \"a\": 2\n}")],
    );
    both(
        "\u{FEFF}[\r\n  {\"a\": 1},\r\n  {\"a\": [2]}\r\n]\r\n",
        &[(8, "{\"a\": 1}"), (21, "{\"a\": [2]}")],
    );
    both("[{\"a\":\"]},\\\"[\"},{\"a\":2}]", &[(1, "{\"a\":\"]},\\\"[\"}"), (16, "{\"a\":2}")]);
    both(
        "[\n1, \"two\", null,\n[3, 4]\n]",
        &[(2, "1"), (5, "\"two\""), (12, "null"), (18, "[3, 4]")],
    );
    both("[\n]", &[]);
    both(" [ ] ", &[]);
    both("{\"a\":1}\n{\"a\":2}\n", &[(0, "{\"a\":1}"), (8, "{\"a\":2}")]);
    json("12 13\n14", &[(0, "12"), (3, "13"), (6, "14")]);
    json("[1][2]\n[]", &[(1, "1"), (4, "2")]);
    json("", &[]);
}

#[test]
fn lines_stay_lines_where_they_are_rows_by_themselves() {
    guessed("[1,2]\n[3,4]\n", &[(0, "[1,2]"), (6, "[3,4]")]);
    guessed("[1,2]\n", &[(1, "1"), (3, "2")]);
    guessed("12\n[1]", &[(0, "12"), (3, "[1]")]);
    guessed("{\"a\":1\n{\"a\":2}\n", &[(0, "{\"a\":1"), (7, "{\"a\":2}")]);
    guessed("{\"a\":\n", &[(0, "{\"a\":")]);
    guessed("no json\n{\"a\":\n1}", &[(0, "no json"), (8, "{\"a\":"), (14, "1}")]);
    let lines = |name: &str, text: &str, expect: &[(u64, &str)]| {
        let framing = crate::FileParams::default().framing(name).unwrap();
        check(&framing, text.as_bytes(), expect);
    };
    lines("a.ndjson", "[1,2]\n", &[(0, "[1,2]")]);
    lines("a.jsonl.gz", "[1,2]\n", &[(0, "[1,2]")]);
    lines("a.json", "[1,2]\n", &[(1, "1"), (3, "2")]);
    lines("a.ndjson", "[\n1\n]", &[(2, "1")]);
    check(&format(Some(Format::Ndjson), 1000), b"[\n1]", &[(0, "["), (2, "1]")]);
}

#[test]
fn a_line_that_may_be_an_array_of_rows_is_a_row_when_nothing_more_comes() {
    let mut framer = Framer::new("test".into(), format(None, 100));
    framer.push(b"[1,2]\n");
    assert!(framer.cut(9, When::Any).unwrap().is_none());
    assert!(framer.held_up().is_some());
    assert_eq!(framer.cut(9, When::Any).unwrap().unwrap().batch.row_text(0), "[1,2]\n".trim());
}

#[test]
fn a_value_that_is_broken_costs_itself() {
    let pretty = "[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": x,\n    \"b\": {}\n  },\n  {\n    \"a\": 3\n  }\n]\n";
    both(
        pretty,
        &[
            (4, "{\n    \"a\": 1\n  }"),
            (24, "{\n    \"a\": x,\n    \"b\": {}\n  } ! expected value at line 2 column 10"),
            (57, "{\n    \"a\": 3\n  }"),
        ],
    );
    both(
        "[{\"a\":1},\n{\"a\":2]},\n{\"a\":3}\n]",
        &[
            (1, "{\"a\":1}"),
            (10, "{\"a\":2]}, ! expected `,` or `}` at line 1 column 7"),
            (20, "{\"a\":3}"),
        ],
    );
    json(
        "{\"a\":\"x\n{\"a\":2}\n{\"a\"",
        &[
            (
                0,
                "{\"a\":\"x ! control character (\\u0000-\\u001F) found while parsing a string at line 1 column 7",
            ),
            (8, "{\"a\":2}"),
            (16, "{\"a\" ! EOF while parsing an object at line 1 column 4"),
        ],
    );
}

#[test]
fn an_array_that_breaks_off_says_so() {
    both(
        "[\n{\"a\":1},\n",
        &[(2, "{\"a\":1}"), (11, "[ ! the array is not closed; is the text whole?")],
    );
    both("[", &[(1, "[ ! the array is not closed; is the text whole?")]);
}

#[test]
fn a_value_that_breaks_off_with_its_array_is_one_row() {
    let ends = "; the text ends here, and its array is not closed";
    both(
        "[\n{\"a\":1},\n{\"a\": [2,",
        &[
            (2, "{\"a\":1}"),
            (11, &format!("{{\"a\": [2, ! EOF while parsing a value at line 1 column 9{ends}")),
        ],
    );
    both("[\n", &[(2, "[ ! the array is not closed; is the text whole?")]);
    both(
        "[{\"a\":\"x",
        &[(1, &format!("{{\"a\":\"x ! EOF while parsing a string at line 1 column 7{ends}"))],
    );
    // The end of the array stands in what is broken.
    json(
        "[{\"a\":1},{\"a\":x}]",
        &[(1, "{\"a\":1}"), (9, "{\"a\":x}] ! expected value at line 1 column 6")],
    );
}

#[test]
fn a_value_that_is_too_long_costs_itself() {
    let long = |value: &str| {
        format!(
            "{value} ! the value has {} bytes, more than the 12 of `max_line_bytes`; the first {} are kept",
            value.len(),
            value.len()
        )
    };
    for value in
        ["{\"a\":[\"]\\\"}\",{}]}", "\"1234567\\\"90123\"", "12345678901234", "[1,2,3,[4,5],6]"]
    {
        let text = format!("[{{}},\n{value}, {{}}]");
        let behind = 5 + value.len() as u64 + 2;
        check(
            &format(Some(Format::Json), 12),
            text.as_bytes(),
            &[(1, "{}"), (5, &long(value)), (behind, "{}")],
        );
    }
}

#[test]
fn values_are_the_same_wherever_the_bytes_are_cut() {
    let texts = [
        "\u{FEFF}[\r\n {\"a\": 1},\n {\"a\":x},\n {\"b\":\"]\\\"\"}\n]\n",
        "[{\"a\":1},12,\"12345678901234567890\",{}] [1",
        "{\n\"a\":1\n}\n{\n\"a\":}\n}\n[]\n{}",
        "[1,2]\n[3]\n",
        "[1,2]\n",
        "{\"a\":1\n{}\n",
        "12345678901234567890,1",
    ];
    for text in texts {
        for json in [None, Some(Format::Json)] {
            let framing = format(json, 12);
            let whole = read(&framing, 500, When::Full, &[text.as_bytes()]);
            for most in [1, 500] {
                let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
                assert_eq!(read(&framing, most, When::Full, &bytes), whole, "{text}");
                for cut in 0..=text.len() {
                    let pieces = [&text.as_bytes()[..cut], &text.as_bytes()[cut..]];
                    assert_eq!(read(&framing, most, When::Full, &pieces), whole, "{text} {cut}");
                }
            }
        }
    }
}

#[test]
fn an_array_goes_on_behind_any_of_its_rows() {
    let text = "[\n {\"a\": 1},\n {\"a\": 2},\n {\"a\": 3}\n]\n";
    let framing = format(None, 100);
    let whole = read(&framing, 1, When::Full, &[text.as_bytes()]);
    assert_eq!(whole.len(), 3);
    let mut framer = Framer::new("test".into(), framing.clone());
    framer.push(text.as_bytes());
    let mut ends = Vec::new();
    while let Some(cut) = framer.cut(1, When::Any).unwrap() {
        ends.push(cut.end);
    }
    for (done, end) in (1..).zip(ends) {
        let mut framer = Framer::new("test".into(), framing.clone());
        assert!(framer.needs_front());
        assert!(framer.restart_at(end, &text.as_bytes()[..20]).unwrap());
        framer.push(&text.as_bytes()[end as usize..]);
        framer.finish();
        let mut rest = Vec::new();
        while let Some(cut) = framer.cut(1, When::Full).unwrap() {
            let row = String::from_utf8(cut.batch.row_text(0).to_vec()).unwrap();
            rest.push((cut.places.offset(0), row));
        }
        assert!(framer.is_finished());
        assert_eq!(rest, whole[done..]);
    }
}

#[test]
fn an_array_takes_no_more_memory_than_its_rows() {
    let mut framer = Framer::new("test".into(), format(None, 1 << 20));
    let chunk = format!("{{\"text\": \"{}\"}},\n", "x".repeat(1000)).repeat(100);
    framer.push(b"[");
    let (mut rows, mut most) = (0, 0);
    for _ in 0..200 {
        framer.push(chunk.as_bytes());
        while let Some(cut) = framer.cut(500, When::Full).unwrap() {
            rows += cut.batch.len();
        }
        most = most.max(framer.buffer.capacity());
    }
    assert!(rows > 19_000 && most < 4 << 20, "{rows} rows, {most} bytes were held");
}
