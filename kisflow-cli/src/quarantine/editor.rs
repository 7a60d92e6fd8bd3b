//! A text in somebody's editor.

use std::{
    env,
    ffi::OsString,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{self, Command},
};

use crate::failure::Failure;

/// A new file for this user alone, with a text to edit.
pub(super) fn file(name: &str, text: &str) -> Result<PathBuf, Failure> {
    let path = env::temp_dir().join(format!("row-{name}-{}.json", process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&path).and_then(|mut file| writeln!(file, "{text}"));
    written.map_err(|error| Failure::io(format!("cannot write {}", path.display()), &error))?;
    Ok(path)
}

/// Opens the file in `$VISUAL` or `$EDITOR`, and waits until it is closed; what it has then.
pub(super) fn edit(file: &Path) -> Result<String, Failure> {
    let editor = ["VISUAL", "EDITOR"].into_iter().filter_map(env::var_os);
    let editor = editor.into_iter().find(|editor| !editor.is_empty());
    let editor = editor.unwrap_or_else(|| OsString::from("vi"));
    let cannot = |error| Failure::io(format!("cannot open {}", editor.display()), &error);
    let ended = command(&editor, file).status().map_err(cannot)?;
    if !ended.success() {
        let (editor, file) = (editor.display(), file.display());
        return Err(Failure::no(format!("{editor} ended with {ended}; the row is in {file}")));
    }
    let read = fs::read_to_string(file);
    read.map_err(|error| Failure::io(format!("cannot read {}", file.display()), &error))
}

/// The shell splits what may have options, such as `code --wait`, as everything does that opens an
/// editor.
#[cfg(unix)]
fn command(editor: &OsString, file: &Path) -> Command {
    let mut script = editor.clone();
    script.push(" \"$@\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg("sh").arg(file);
    command
}

#[cfg(not(unix))]
fn command(editor: &OsString, file: &Path) -> Command {
    let mut command = Command::new(editor);
    command.arg(file);
    command
}
