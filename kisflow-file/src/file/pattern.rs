//! [`Pattern`]: a key that names several files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use glob::{MatchOptions, glob_with};

use super::{
    disk::{Identity, modified},
    neighbors::folder,
};
use crate::{error::FileError, params::Order};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Returns the files of a pattern: `*` is any part of a name, `?` any character, `[a-z]` one of
/// these, `**` any folders. The exact name of a file is not a pattern.
///
/// ```
/// use kisflow_file::{Order, matching};
///
/// assert!(matching("no-such-folder/orders-*.ndjson", Order::Name)?.is_empty());
/// # Ok::<(), kisflow_file::FileError>(())
/// ```
///
/// # Errors
///
/// When the pattern is invalid, or a folder cannot be listed.
pub fn matching(pattern: &str, order: Order) -> Result<Vec<PathBuf>, FileError> {
    let path: Arc<str> = pattern.into();
    let pattern = Pattern::new(pattern)
        .map_err(|problem| FileError::conf(&path, vec![("key".to_owned(), problem)]))?;
    let listed = pattern.list().map_err(|cause| FileError::io(&path, cause))?;
    Ok(ordered(listed, order).into_iter().map(|file| file.path).collect())
}

/// Returns whether a key is a pattern: it has a character of patterns, and no file has exactly that
/// name.
#[must_use]
pub fn is_pattern(key: &str) -> bool {
    key.contains(['*', '?', '[']) && !Path::new(key).exists()
}

/// A key that names several files.
#[derive(Clone)]
pub(super) struct Pattern {
    text: Arc<str>,
    pattern: glob::Pattern,
}

/// A file that matches.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    modified: u64,
}

impl Listed {
    /// Whether it is the same file under the same name.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.path == other.path && self.identity == other.identity
    }
}

impl Pattern {
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches("./");
        let pattern = glob::Pattern::new(text).map_err(|error| {
            format!("`{text}` is no pattern: {} at character {}", error.msg, error.pos + 1)
        })?;
        Ok(Self { text: text.into(), pattern })
    }

    pub(super) fn matches(&self, path: &Path) -> bool {
        let path = path.strip_prefix(".").unwrap_or(path);
        self.pattern.matches_path_with(path, OPTIONS)
    }

    /// The files that match, by name.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed.
    pub(super) fn list(&self) -> io::Result<Vec<Listed>> {
        let paths = glob_with(&self.text, OPTIONS).map_err(io::Error::other)?;
        let mut listed = Vec::new();
        for path in paths {
            let path = path.map_err(io::Error::from)?;
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    let (identity, modified) = (Identity::of(&metadata), modified(&metadata));
                    listed.push(Listed { path, identity, modified });
                }
                // It was moved in the meantime.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(listed)
    }

    /// Whether folders that appear may have matching files.
    pub(super) fn has_open_folders(&self) -> bool {
        folder(Path::new(&*self.text)).to_string_lossy().contains(['*', '?', '['])
    }

    /// Returns the folders in which files may appear.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = Vec::new();
        let mut pattern = folder(Path::new(&*self.text));
        loop {
            let text = pattern.to_string_lossy().into_owned();
            match text.contains(['*', '?', '[']) {
                true => {
                    let found = glob_with(&text, OPTIONS).into_iter().flatten().flatten();
                    folders.extend(found.filter(|path| path.is_dir()));
                }
                false => {
                    folders.push(pattern);
                    return folders;
                }
            }
            pattern = folder(&pattern);
        }
    }
}

/// Files in the order in which they are read.
pub(super) fn ordered(mut files: Vec<Listed>, order: Order) -> Vec<Listed> {
    files.sort_by(|one, other| match order {
        Order::Name => one.path.cmp(&other.path),
        Order::Time => (one.modified, &one.path).cmp(&(other.modified, &other.path)),
    });
    files
}
