//! docs/cli.md shows what the commands print: each is run, in the order of the page.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use trycmd::{TestCases, schema::Bin};

/// Mistakes of a hasty hand, for `check`.
const TYPOS: &str = "\
kistype: flow
flow_name: Typos
flows:
  - fname: Price
  - fname: Send
  - fname: Discout
";
/// The repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Records for a dry run.
const GIVEN: &str = "records:\n  Invoices:\n    6: {total: 45}\n";
const USELESS: &str = "kistype: test\ntname: of nothing\nflow: Typos\n";

#[test]
fn every_command_prints_what_its_documentation_shows() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("cli.md");
    let root = Path::new(ROOT);
    fs::copy(root.join("docs/cli.md"), &page).unwrap();
    // Where the commands of the page run.
    let work = dir.path().join("cli.in");
    copy_dir(&root.join("conf/shop"), &work.join("conf"));
    fs::copy(root.join("examples/data/orders.ndjson"), work.join("orders.ndjson")).unwrap();
    fs::write(work.join("refunds.csv"), "id\n6\n99\n").unwrap();
    fs::write(work.join("given.yml"), GIVEN).unwrap();
    assert!(fs::read_to_string(&page).unwrap().contains(GIVEN));
    copy_dir(&root.join("conf/shop"), &work.join("typos"));
    fs::write(work.join("typos/flow.yml"), TYPOS).unwrap();
    fs::write(work.join("typos/test.yml"), USELESS).unwrap();

    TestCases::new()
        .register_bin("shop", Bin::Path(built("examples/shop")))
        .register_bin("kisflow", Bin::Path(built("kisflow")))
        .case(page);
}

#[test]
fn the_picture_of_the_documentation_is_the_one_that_is_drawn() {
    let mut shop = Command::new(built("examples/shop"));
    shop.current_dir(ROOT);
    let drawn = shop.args(["graph", "--conf", "conf/shop", "--format", "svg"]).output().unwrap();
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    let shown = fs::read(Path::new(ROOT).join("docs/shop.svg")).unwrap();
    assert!(drawn.stdout == shown, "draw it anew: shop graph --conf conf/shop --out docs/shop.svg");
}

/// A program that cargo has built: it puts examples and tests side by side, and the programs of the
/// workspace above them.
fn built(path: &str) -> PathBuf {
    let me = env::current_exe().unwrap();
    let folder = me.parent().and_then(Path::parent).unwrap();
    folder.join(path).with_extension(env::consts::EXE_EXTENSION)
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
