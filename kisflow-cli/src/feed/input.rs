//! [`Input`]: the rows of all files, one file after the other.

use std::{
    fs::{self, File},
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    vec,
};

use kisflow_core::error_chain;
use kisflow_file::{FileParams, Order, PlacedRows, Rows, is_pattern, matching};

use super::args::{FeedArgs, Format, Trim};
use crate::{failure::Failure, terminal, text};

/// The rows of all files, one file after the other.
pub(super) struct Input {
    params: FileParams,
    files: vec::IntoIter<PathBuf>,
    /// The file that is read.
    current: Option<Rows>,
    /// Rows that were handed out.
    rows: u64,
    /// Bytes of the files before the current one, and of all that was handed out.
    before: u64,
    read: u64,
    size: Option<u64>,
}

/// Rows that were read.
pub(super) struct Taken {
    pub(super) rows: PlacedRows,
    /// The number of the first one, from 1.
    pub(super) first: u64,
}

impl Taken {
    /// The number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.first + (self.rows.batch().len() as u64).saturating_sub(1)
    }

    /// The place of a row, counted from 0.
    pub(super) fn place(&self, row: usize) -> String {
        self.rows.position(row)
    }
}

impl Input {
    /// Opens nothing yet: a pipe is waited for when its turn has come.
    ///
    /// # Errors
    ///
    /// When a file is not there, and when options contradict the files.
    pub(super) fn new(args: &FeedArgs) -> Result<Self, Failure> {
        let mut files = named(&args.files)?;
        if files.is_empty() {
            files.push("-".into());
        }
        let mut size = Some(0);
        for path in files.iter().filter(|path| !is_stdin(path)) {
            let found = fs::metadata(path);
            let found = found.map_err(|error| {
                Failure::usage(format!("cannot read {}: {error}", path.display()))
            })?;
            if found.is_dir() {
                let message = format!("{} is a directory; name its files", path.display());
                return Err(Failure::Usage(message));
            }
            let bytes = (found.is_file() && !is_gzip(path)).then_some(found.len());
            size = size.zip(bytes).map(|(all, bytes)| all + bytes);
        }
        if files.iter().any(|path| is_stdin(path)) {
            size = None;
        }
        let params = params(args, &files)?;
        let files = files.into_iter();
        Ok(Self { params, files, current: None, rows: 0, before: 0, read: 0, size })
    }

    /// How many bytes there are, where that is known.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// How many bytes have been handed out as rows.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// The next rows, at most `most`, of one file; `None` at the end.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(super) async fn next(&mut self, most: usize) -> Result<Option<Taken>, String> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(path) = self.files.next() else { return Ok(None) };
                self.current = Some(self.open(&path)?);
                continue;
            };
            let next = current.next(most).await;
            match next.map_err(|error| error_chain(&error).to_string())? {
                Some(rows) => {
                    let first = self.rows + 1;
                    self.rows += rows.batch().len() as u64;
                    self.read = self.before + rows.end();
                    return Ok(Some(Taken { rows, first }));
                }
                None => {
                    self.before = self.read;
                    self.current = None;
                }
            }
        }
    }

    /// Leaves out the next rows.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, and when there are not so many.
    pub(super) async fn skip(&mut self, rows: u64) -> Result<(), Failure> {
        const AT_ONCE: u64 = 10_000;
        let until = self.rows + rows;
        while self.rows < until {
            let most = usize::try_from((until - self.rows).min(AT_ONCE)).unwrap_or(1);
            if self.next(most).await.map_err(Failure::No)?.is_none() {
                return Err(self.too_short());
            }
        }
        Ok(())
    }

    /// There are fewer rows than was asked for.
    pub(super) fn too_short(&self) -> Failure {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        Failure::Usage(format!("the input has only {}", text::rows(rows)))
    }

    fn open(&self, path: &Path) -> Result<Rows, String> {
        let rows = match is_stdin(path) {
            true => {
                if io::stdin().is_terminal() {
                    terminal::say("reading rows from the terminal; ctrl-d ends them\n");
                }
                Rows::new("stdin", io::stdin(), &self.params_of("stdin"))
            }
            false => {
                let name = path.to_string_lossy();
                let file =
                    File::open(path).map_err(|error| format!("cannot read {name}: {error}"))?;
                Rows::new(&*name, file, &self.params_of(&name))
            }
        };
        rows.map_err(|error| error_chain(&error).to_string())
    }

    /// What CSV is told, NDJSON is not.
    fn params_of(&self, name: &str) -> FileParams {
        let mut params = self.params.clone();
        if params.format.unwrap_or(kisflow_file::Format::of(name)) != kisflow_file::Format::Csv {
            let format = params.format;
            params = FileParams::default();
            params.format = format;
        }
        params
    }
}

/// The files that are named, patterns among them: a shell leaves those in quotes alone, and some
/// shells all of them.
fn named(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut named = Vec::new();
    for path in files {
        let pattern = path.to_string_lossy();
        if !is_pattern(&pattern) {
            named.push(path.clone());
            continue;
        }
        let found = matching(&pattern, Order::Name);
        let found = found.map_err(|error| Failure::usage(error_chain(&error).to_string()))?;
        if found.is_empty() {
            return Err(Failure::usage(format!("no file has a name of the pattern {pattern}")));
        }
        named.extend(found);
    }
    Ok(named)
}

fn params(args: &FeedArgs, files: &[PathBuf]) -> Result<FileParams, Failure> {
    let mut params = FileParams::default();
    params.format = args.format.map(|format| match format {
        Format::Ndjson => kisflow_file::Format::Ndjson,
        Format::Csv => kisflow_file::Format::Csv,
        Format::Json => kisflow_file::Format::Json,
    });
    (params.delimiter, params.text) = (args.delimiter.clone(), args.text.clone());
    (params.comment, params.decimal_comma) = (args.comment.clone(), args.decimal_comma);
    params.quote_lines = args.quote_lines.unwrap_or(params.quote_lines);
    params.trim = match args.trim {
        None => kisflow_file::Trim::None,
        Some(Trim::Header) => kisflow_file::Trim::Header,
        Some(Trim::All) => kisflow_file::Trim::All,
    };
    let of = |path: &PathBuf| kisflow_file::Format::of(&path.to_string_lossy());
    let is_csv = |path| params.format.unwrap_or(of(path)) == kisflow_file::Format::Csv;
    let only_csv = args.only_csv();
    if !only_csv.is_empty() && !files.iter().any(is_csv) {
        let (are, names) = match &*only_csv {
            [name] => ("is", format!("`{name}`")),
            names => ("are", format!("`{}`", names.join("` and `"))),
        };
        let message = format!("{names} {are} for CSV, and no file is; say `--format csv`");
        return Err(Failure::usage(message));
    }
    Ok(params)
}

/// Whether a file is gzip: how much text is in it shows when it has been read.
fn is_gzip(path: &Path) -> bool {
    let mut head = [0; 2];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == [0x1F, 0x8B]
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}
