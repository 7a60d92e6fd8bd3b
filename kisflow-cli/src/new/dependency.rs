//! [`Dependency`]: where a new project has kisflow from.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// The checkout that this command was built from, where it was built from one.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where `kisflow` comes from.
#[derive(Debug, PartialEq)]
pub(super) enum Dependency {
    /// The published crate.
    Published,
    /// A checkout, by its whole path.
    Checkout(String),
}

impl Dependency {
    /// The checkout that the user names; or the one that this command was built from, while it is
    /// there; or else the published crate.
    ///
    /// # Errors
    ///
    /// When the user names something that is no checkout.
    pub(super) fn new(named: Option<&Path>, published: bool) -> Result<Self, Failure> {
        match named {
            Some(dir) => checkout(dir).map_err(|why| {
                Failure::usage(format!("{} is no checkout of kisflow: {why}", dir.display()))
            }),
            None if published => Ok(Self::Published),
            None => Ok(checkout(Path::new(BUILT_FROM)).unwrap_or(Self::Published)),
        }
    }
}

/// As Cargo.toml says it.
impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published => {
                let (major, minor) =
                    (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
                write!(formatter, "version = \"{major}.{minor}\"")
            }
            // TOML and Rust escape the same in what a path can hold.
            Self::Checkout(dir) => write!(formatter, "path = {dir:?}"),
        }
    }
}

fn checkout(dir: &Path) -> Result<Dependency, String> {
    let found = fs::canonicalize(dir).map_err(|error| error.to_string())?;
    let manifest = fs::read_to_string(found.join("Cargo.toml"));
    let manifest = manifest.map_err(|_| "it has no Cargo.toml")?;
    if !manifest.lines().any(|line| line.trim() == "name = \"kisflow\"") {
        return Err("its Cargo.toml is that of another crate".to_owned());
    }
    let found = found.to_str().ok_or("its path is no text")?;
    Ok(Dependency::Checkout(found.to_owned()))
}

/// Whether a directory is below a workspace of cargo's, which would want it as a member.
pub(super) fn is_in_workspace(dir: &Path) -> bool {
    let here = env::current_dir().unwrap_or_default();
    let whole: PathBuf = here.join(dir);
    let is_workspace = |dir: &Path| {
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim_start().starts_with("[workspace"))
    };
    whole.ancestors().skip(1).any(is_workspace)
}
