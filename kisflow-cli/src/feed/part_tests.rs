//! A part is gone on with, and nothing that was written is lost.

use std::{fs, path::Path};

use super::{Fed, Part};
use crate::failure::Failure;

fn fed(flow: &str) -> Fed {
    Fed { flow: flow.to_owned(), files: vec!["/rows".to_owned()], dry_run: false }
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// A directory with `out`, and `out.part` of a feed of flow F that was stopped after row 3.
fn stopped() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut part = Part::open(&dir.path().join("out"), fed("F"), 0, false).unwrap();
    part.write(b"1\n2\n").unwrap();
    part.done(2).unwrap();
    part.write(b"3\n").unwrap();
    part.done(3).unwrap();
    // As a process leaves it that is killed in the middle of a line.
    part.write(b"4\n5").unwrap();
    dir
}

/// What a feed of flow F with `--skip` finds: the bytes that it goes on behind, or why it does not.
fn check(change: impl FnOnce(&Path), flow: &str, skip: u64, force: bool, found: &str) {
    let dir = stopped();
    change(dir.path());
    let out = dir.path().join("out");
    let before = read(&dir.path().join("out.part"));
    let said = match Part::open(&out, fed(flow), skip, force) {
        Ok(part) => {
            let text = read(part.file());
            text.unwrap()
        }
        Err(Failure::Usage(message)) => {
            assert_eq!(read(&dir.path().join("out.part")), before, "what is refused is left alone");
            message.replace(&dir.path().display().to_string(), "DIR")
        }
        Err(other) => panic!("{other:?}"),
    };
    assert!(said.starts_with(found), "{said}");
}

#[test]
fn a_part_is_gone_on_with_by_the_rows_that_came_next_and_by_no_others() {
    let alone = |_: &Path| {};
    check(alone, "F", 3, false, "1\n2\n3\n");
    // The last batch but one may be all that another file of the feed has.
    check(alone, "F", 2, false, "1\n2\n");
    let far = "DIR/out.part has what came of the first 3 rows of the input; `--skip 3` goes on";
    check(alone, "F", 1, false, far);
    check(alone, "F", 4, false, far);
    check(alone, "F", 4, true, far);
    check(alone, "G", 3, false, "DIR/out.part is of another feed (`feed F /rows`)");
    check(alone, "F", 0, false, "DIR/out.part is of a feed that did not end; `--skip 3` goes on");
    check(alone, "F", 0, true, "");
}

#[test]
fn a_part_that_was_changed_is_refused_where_that_can_be_seen() {
    let shorter = |dir: &Path| fs::write(dir.join("out.part"), "1\n").unwrap();
    check(shorter, "F", 3, false, "DIR/out.part is shorter than the feed left it (2 of 6 bytes)");
    let emptied = |dir: &Path| fs::write(dir.join("out.part"), "").unwrap();
    check(emptied, "F", 3, false, "DIR/out.part is shorter than the feed left it (0 of 6 bytes)");
    let unknown = |dir: &Path| fs::remove_file(dir.join("out.part.state")).unwrap();
    check(unknown, "F", 3, false, "DIR/out.part ends in the middle of a line");
    check(unknown, "F", 0, false, "DIR/out.part is of a feed that did not end; go on with it by");
    let by_hand = |dir: &Path| {
        unknown(dir);
        fs::write(dir.join("out.part"), "1\n2\n").unwrap();
    };
    check(by_hand, "F", 2, false, "1\n2\n");
    let finished = |dir: &Path| fs::write(dir.join("out"), "1\n").unwrap();
    check(finished, "F", 3, false, "DIR/out is there already; name another file");
    check(finished, "F", 3, true, "1\n2\n3\n");
}

#[test]
fn a_file_has_its_name_when_it_is_complete_and_takes_the_place_of_none() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut part = Part::open(&out, fed("F"), 0, false).unwrap();
    part.write(b"1\n").unwrap();
    assert_eq!(read(&out), None);
    // Another program makes a file of this name meanwhile.
    fs::write(&out, "other").unwrap();
    part.finish().unwrap_err();
    assert_eq!(read(&out).unwrap(), "other");
    assert_eq!(read(&dir.path().join("out.part")).unwrap(), "1\n");
    fs::remove_file(&out).unwrap();
    fs::remove_file(dir.path().join("out.part")).unwrap();

    let mut part = Part::open(&out, fed("F"), 0, false).unwrap();
    part.write(b"1\n").unwrap();
    part.finish().unwrap();
    assert_eq!(read(&out).unwrap(), "1\n");
    Part::open(&out, fed("F"), 0, true).unwrap().finish().unwrap();
    let names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["out"], "nothing else is left");
    assert_eq!(read(&out).unwrap(), "");
}

#[test]
fn two_feeds_do_not_write_one_part() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let first = Part::open(&out, fed("F"), 0, false).unwrap();
    for (skip, force) in [(0, false), (0, true), (3, false)] {
        match Part::open(&out, fed("F"), skip, force) {
            Err(Failure::Usage(message)) => assert!(message.starts_with("another feed is writing")),
            other => panic!("{:?}", other.map(drop)),
        }
    }
    drop(first);
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "one without a row is not left");
}

#[test]
fn lines_that_are_not_done_are_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = Part::open(&dir.path().join("out"), fed("F"), 0, false).unwrap();
    part.write(b"1\n").unwrap();
    part.done(1).unwrap();
    part.write(b"2\n").unwrap();
    part.take_back();
    part.write(b"3\n").unwrap();
    part.finish().unwrap();
    assert_eq!(read(&dir.path().join("out")).unwrap(), "1\n3\n");
}
