//! The repository: its root, its text files, its examples and benchmarks.

use std::fs;
use std::io::{self, ErrorKind::InvalidData, ErrorKind::NotFound};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The text of a file, by its path from the root.
pub(crate) fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(root().join(path)).map_err(|e| Failure::io(format!("read {path}"), e))
}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every text file, in the order of the paths; build results and git's own files are not seen.
pub(crate) fn text_files() -> Result<Vec<TextFile>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder)? {
            // In a worktree `.git` is a file.
            if path.ends_with(".git") {
                continue;
            }
            if path.is_dir() {
                if !path.ends_with("target") {
                    folders.push(path);
                }
                continue;
            }
            let name = from_root(&path);
            match fs::read_to_string(&path) {
                Ok(text) => files.push(TextFile { path: name, text }),
                // Not text; or gone since it was listed, as tests come and go beside us.
                Err(e) if [InvalidData, NotFound].contains(&e.kind()) => {}
                Err(e) => return Err(Failure::io(format!("read {name}"), e)),
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// An example or benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Of its main file, from the root.
    pub(crate) path: String,
}

/// The targets that cargo finds in `folder` (`NAME.rs`, `NAME/main.rs`), or the `wanted` of them.
pub(crate) fn targets(folder: &str, wanted: &[String]) -> Result<Vec<Target>, Failure> {
    let all: Vec<Target> =
        entries(&root().join(folder))?.iter().filter_map(|path| target(path)).collect();
    if all.is_empty() {
        return Err(Failure::Check(format!("{folder}/ holds no NAME.rs and no NAME/main.rs")));
    }
    if wanted.is_empty() {
        return Ok(all);
    }
    let pick = |name: &String| {
        let known = || all.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = all.iter().find(|target| target.name == *name).cloned();
        found.ok_or_else(|| Failure::Usage(format!("no `{name}` in {folder}/, only {}", known())))
    };
    wanted.iter().map(pick).collect()
}

fn target(path: &Path) -> Option<Target> {
    let name = path.file_stem()?.to_str()?.to_owned();
    if path.extension().is_some_and(|extension| extension == "rs") {
        return Some(Target { name, path: from_root(path) });
    }
    let main = path.join("main.rs");
    main.is_file().then(|| Target { name, path: from_root(&main) })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let entries: io::Result<Vec<PathBuf>> = read();
    let mut entries =
        entries.map_err(|e| Failure::io(format!("list {}/", from_root(folder)), e))?;
    entries.sort();
    Ok(entries)
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
