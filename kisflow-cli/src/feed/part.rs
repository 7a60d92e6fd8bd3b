//! [`Part`]: a file of rows that has its name when it is complete, and with which a later feed can go
//! on.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use indicatif::HumanCount;
use serde::{Deserialize, Serialize};

use super::args::FeedArgs;
use crate::failure::Failure;

/// The state is written in place, which a full disk cannot keep it from: its size is a multiple of
/// this.
const BLOCK: usize = 512;

/// What is fed: a part belongs to one feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fed {
    flow: String,
    files: Vec<String>,
    dry_run: bool,
}

impl Fed {
    pub(super) fn of(args: &FeedArgs) -> Self {
        let name = |path: &PathBuf| match path == Path::new("-") {
            true => "-".to_owned(),
            false => super::whole(path).to_string_lossy().into_owned(),
        };
        let mut files: Vec<String> = args.files.iter().map(name).collect();
        if files.is_empty() {
            files.push("-".to_owned());
        }
        Self { flow: args.flow.clone(), files, dry_run: args.dry_run }
    }
}

/// How far a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    /// Rows of the input.
    rows: u64,
    /// Bytes of the part.
    bytes: u64,
}

/// What is kept beside a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    #[serde(flatten)]
    fed: Fed,
    /// After the last batch, and after the one before it: two files of one feed may be one batch apart
    /// when the process is killed.
    done: [Done; 2],
}

/// `NAME.part`, until it is complete. `NAME.part.state` says how far it is.
pub(super) struct Part {
    /// The name that it gets.
    path: PathBuf,
    part: PathBuf,
    file: File,
    state_path: PathBuf,
    state_file: File,
    state: State,
    /// Bytes of the part.
    written: u64,
    /// It was made by this feed.
    is_new: bool,
    is_finished: bool,
    force: bool,
}

impl Part {
    /// Opens the part, or makes it. `skip` rows of the input are in it already.
    ///
    /// # Errors
    ///
    /// When it would write over something, when what is there does not belong to this feed, and when
    /// it cannot be made.
    pub(super) fn open(path: &Path, fed: Fed, skip: u64, force: bool) -> Result<Self, Failure> {
        let part = with(path, ".part");
        let shown = part.display();
        if !force && is_written(path) {
            let path = path.display();
            return Err(Failure::usage(format!(
                "{path} is there already; name another file, or replace it with `--force`"
            )));
        }
        let cannot = |error: io::Error| Failure::io(format!("cannot write {shown}"), &error);
        let (mut file, is_new) = open(&part).map_err(cannot)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::usage(format!("another feed is writing {shown}")));
            }
            // A file system without locks has none to respect.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let length = file.metadata().map_err(cannot)?.len();
        let state_path = with(&part, ".state");
        let found = fs::read(&state_path).ok();
        let found = found.and_then(|text| serde_json::from_slice::<State>(&text).ok());
        let found = found.filter(|_| !is_new);
        let bytes = match (skip, length) {
            (_, 0) if found.is_none() => 0,
            (0, 0) if found.as_ref().is_some_and(|state| state.last().bytes == 0) => 0,
            (0, _) if force => 0,
            (0, _) => return Err(Failure::Usage(unfinished(&part, found.as_ref()))),
            _ => match &found {
                Some(state) => state.bytes_after(skip, &fed, length, &part)?,
                None if ends_a_line(&mut file).map_err(cannot)? => length,
                None => {
                    return Err(Failure::usage(format!(
                        "{shown} ends in the middle of a line, so it is not known which rows are in it; remove that line, or move the file away"
                    )));
                }
            },
        };
        file.set_len(bytes).and_then(|()| file.seek(SeekFrom::End(0))).map_err(cannot)?;
        let done = Done { rows: skip, bytes };
        let state_file = File::options().write(true).create(true).truncate(false).open(&state_path);
        let mut opened = Self {
            path: path.to_owned(),
            file,
            state_file: state_file.map_err(cannot)?,
            state: State { fed, done: [done; 2] },
            written: bytes,
            is_new: is_new || length == 0,
            is_finished: false,
            force,
            state_path,
            part: part.clone(),
        };
        opened.keep_state().map_err(cannot)?;
        Ok(opened)
    }

    /// Where what could be written is.
    pub(super) fn file(&self) -> &Path {
        &self.part
    }

    /// Writes whole lines.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.written += lines.len() as u64;
        Ok(())
    }

    /// So many rows of the input are done, and what came of them is written.
    ///
    /// # Errors
    ///
    /// When that cannot be noted.
    pub(super) fn done(&mut self, rows: u64) -> io::Result<()> {
        let [last, _] = self.state.done;
        self.state.done = [Done { rows, bytes: self.written }, last];
        self.keep_state()
    }

    /// Takes back what was written since rows were last done.
    pub(super) fn take_back(&mut self) {
        let bytes = self.state.last().bytes;
        let back = self.file.set_len(bytes).and_then(|()| self.file.seek(SeekFrom::Start(bytes)));
        // Whoever goes on with it takes it back again.
        if back.is_ok() {
            self.written = bytes;
        }
    }

    /// Gives it its name.
    ///
    /// # Errors
    ///
    /// When it does not reach the disk, or another file has the name meanwhile.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        // A link, unlike a rename, never takes the place of a file.
        let linked = match self.force {
            true => Err(ErrorKind::Unsupported.into()),
            false => fs::hard_link(&self.part, &self.path),
        };
        match linked {
            Ok(()) => fs::remove_file(&self.part)?,
            Err(_) if !self.force && is_written(&self.path) => {
                return Err(ErrorKind::AlreadyExists.into());
            }
            Err(_) => fs::rename(&self.part, &self.path)?,
        }
        self.is_finished = true;
        // Without its part it says nothing.
        fs::remove_file(&self.state_path).ok();
        Ok(())
    }

    fn keep_state(&mut self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.state)?;
        let size = text.len().next_multiple_of(BLOCK);
        text.resize(size, b' ');
        self.state_file.rewind()?;
        self.state_file.write_all(&text)
    }
}

/// One into which nothing came need not be there.
impl Drop for Part {
    fn drop(&mut self) {
        let [Done { bytes, .. }, _] = self.state.done;
        if self.is_new && !self.is_finished && bytes == 0 && self.written == 0 {
            fs::remove_file(&self.part).ok();
            fs::remove_file(&self.state_path).ok();
        }
    }
}

impl State {
    fn last(&self) -> Done {
        let [last, _] = self.done;
        last
    }

    /// How many bytes of the part came of the first `skip` rows.
    ///
    /// # Errors
    ///
    /// When the part is of another feed, or is so far that these rows do not go on with it.
    fn bytes_after(&self, skip: u64, fed: &Fed, length: u64, part: &Path) -> Result<u64, Failure> {
        let part = part.display();
        if self.fed != *fed {
            let Fed { flow, files, dry_run } = &self.fed;
            let files = files.join(" ");
            let dry = if *dry_run { " --dry-run" } else { "" };
            return Err(Failure::usage(format!(
                "{part} is of another feed (`feed {flow} {files}{dry}`); name another file, or move it away"
            )));
        }
        let Some(done) = self.done.iter().find(|done| done.rows == skip) else {
            return Err(Failure::usage(format!(
                "{part} has what came of the first {} rows of the input; `--skip {}` goes on with it",
                HumanCount(self.last().rows),
                self.last().rows
            )));
        };
        if length < done.bytes {
            return Err(Failure::usage(format!(
                "{part} is shorter than the feed left it ({length} of {} bytes); move it away, and begin anew",
                done.bytes
            )));
        }
        Ok(done.bytes)
    }
}

/// How to go on with a part that is there.
fn unfinished(part: &Path, state: Option<&State>) -> String {
    let part = part.display();
    match state.map(State::last) {
        Some(Done { rows, .. }) => format!(
            "{part} is of a feed that did not end; `--skip {rows}` goes on with it, `--force` begins anew"
        ),
        None => format!(
            "{part} is of a feed that did not end; go on with it by `--skip ROWS`, or begin anew with `--force`"
        ),
    }
}

/// Opens a file, and says whether it was made.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = File::options();
    options.read(true).write(true);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok((options.open(path)?, false)),
        made => Ok((made?, true)),
    }
}

/// Whether there is a file with something in it.
fn is_written(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;
