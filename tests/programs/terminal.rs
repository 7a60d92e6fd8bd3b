//! The live view on a terminal, which tmux is: it has a size, breaks lines, and says what it shows.

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::server::poll;

/// A terminal of its own, and a program in it.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn new(dir: &Path, width: u16, program: &str) -> Self {
        let socket = dir.join("tmux").display().to_string();
        let terminal = Self { socket };
        let (width, dir) = (width.to_string(), dir.display().to_string());
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            "24",
            "-c",
            &dir,
            program,
        ]);
        terminal
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").args(["-S", &self.socket]).args(args).output();
        let output = output.expect("these tests need tmux: `apt-get install tmux`");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The lines that are shown, without those that are empty.
    fn lines(&self) -> Vec<String> {
        let shown = self.tmux(&["capture-pane", "-p"]);
        shown.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    fn until(&self, what: &str, ready: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        let is_ready = poll(|| {
            lines = self.lines();
            ready(&lines)
        });
        assert!(is_ready, "{what}: {lines:#?}");
        lines
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        Command::new("tmux").args(["-S", &self.socket, "kill-server"]).output().ok();
    }
}

fn built(path: &str) -> PathBuf {
    let me = env::current_exe().unwrap();
    me.parent().and_then(Path::parent).unwrap().join(path)
}

/// A directory with the shop, whose source goes on when its file ends.
fn shop() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::create_dir(dir.path().join("conf")).unwrap();
    for entry in fs::read_dir(root.join("conf/shop")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join("conf").join(entry.file_name())).unwrap();
    }
    let source = dir.path().join("conf/source.yml");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(source, text + "params: {follow: true, poll_ms: 20}\n").unwrap();
    fs::write(dir.path().join("orders.ndjson"), "").unwrap();
    dir
}

/// Whether the whole view stands at the foot. What was drawn while tmux had another size than it told
/// the program may be left above.
fn is_whole(lines: &[String]) -> bool {
    let parts = ["FLOW", "Inv", "in quarantine: "];
    let foot = lines.get(lines.len().saturating_sub(parts.len())..).unwrap_or_default();
    foot.len() == parts.len() && foot.iter().zip(parts).all(|(line, part)| line.starts_with(part))
}

#[test]
fn the_view_stands_below_whole_log_lines_whatever_the_size_of_the_terminal() {
    let dir = shop();
    let program = built("examples/shop").display().to_string();
    let run = format!("RUST_LOG=shop=info '{program}' run >said; sleep 600");
    let terminal = Terminal::new(dir.path(), 100, &run);
    terminal.until("the view is there", is_whole);

    let mut orders = File::options().append(true).open(dir.path().join("orders.ndjson")).unwrap();
    let mut id = 0;
    let mut order = |count: u32| {
        let rows: String = (0..count)
            .map(|_| {
                id += 1;
                format!("{{\"id\":{id},\"article\":\"tea\",\"count\":2}}\n")
            })
            .collect();
        orders.write_all(rows.as_bytes()).unwrap();
        id
    };
    for width in ["100", "50", "30", "120", "40", "100"] {
        terminal.tmux(&["resize-window", "-x", width]);
        let last = order(3);
        let logged = |lines: &[String]| {
            // A log line is broken where the terminal is narrow, also at a blank.
            let text = lines.concat().replace(' ', "");
            (last - 2..=last).all(|id| text.contains(&format!("invoice{id}:12.50")))
        };
        terminal.until(width, |lines| is_whole(lines) && logged(lines));
    }
    // A row that is rejected is counted, and what it would do to the terminal is not done.
    let bad = "{\"id\":0,\"article\":\"\u{202e}\u{9b}2J\",\"count\":1}\n";
    fs::OpenOptions::new()
        .append(true)
        .open(dir.path().join("orders.ndjson"))
        .and_then(|mut file| file.write_all(bad.as_bytes()))
        .unwrap();
    terminal.until("it is counted", |lines| {
        is_whole(lines)
            && lines.iter().any(|line| line.starts_with("in quarantine: 1 now, 1 since"))
    });
    terminal.tmux(&["send-keys", "C-c"]);
    let said = dir.path().join("said");
    assert!(poll(|| fs::read_to_string(&said).is_ok_and(|said| said.contains("rows read"))));
    terminal.until("the view is gone", |lines| !is_whole(lines));
}
