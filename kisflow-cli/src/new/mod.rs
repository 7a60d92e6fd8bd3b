//! `kisflow new`: a fresh cargo project with one flow that runs, and its test.

mod name;
mod template;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args as ClapArgs;

use crate::{failure::Failure, terminal};

#[derive(ClapArgs)]
pub(crate) struct NewArgs {
    /// The name of the program
    name: String,
    /// Where it is made (default: a directory of its name)
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// A checkout of kisflow to depend on, instead of the published crate
    #[arg(long, value_name = "DIR")]
    kisflow_path: Option<PathBuf>,
}

pub(crate) fn run(args: &NewArgs) -> Result<(), Failure> {
    name::check(&args.name).map_err(Failure::Usage)?;
    let dir = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    if fs::symlink_metadata(&dir).is_ok() {
        let message = "is there already; choose another place with `--path`";
        return Err(Failure::usage(format!("{} {message}", dir.display())));
    }
    let dependency = dependency(args.kisflow_path.as_deref())?;
    let files = template::files(&args.name, &dependency);
    for (path, text) in &files {
        let path = dir.join(path);
        write(&path, text)
            .map_err(|error| Failure::io(format!("cannot write {}", path.display()), &error))?;
    }
    terminal::print(&made(&args.name, &dir, &files))
}

/// Where `kisflow` comes from, as Cargo.toml says it.
fn dependency(checkout: Option<&Path>) -> Result<String, Failure> {
    let Some(dir) = checkout else {
        let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
        return Ok(format!("version = \"{major}.{minor}\""));
    };
    let shown = dir.display();
    let no_checkout =
        |why: &str| Failure::usage(format!("{shown} is no checkout of kisflow: {why}"));
    let found = fs::canonicalize(dir).map_err(|error| no_checkout(&error.to_string()))?;
    let manifest = fs::read_to_string(found.join("Cargo.toml"));
    let manifest = manifest.map_err(|_| no_checkout("it has no Cargo.toml"))?;
    if !manifest.lines().any(|line| line.trim() == "name = \"kisflow\"") {
        return Err(no_checkout("its Cargo.toml is that of another crate"));
    }
    let found = found.to_str().ok_or_else(|| no_checkout("its path is no text"))?;
    // TOML and Rust escape the same in what a path can hold.
    Ok(format!("path = {found:?}"))
}

/// Writes a file that is not there yet, with the directories above it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    io::Write::write_all(&mut fs::File::create_new(path)?, text.as_bytes())
}

/// What has been made, and what to do next.
fn made(name: &str, dir: &Path, files: &[(&str, String)]) -> String {
    let dir = dir.display();
    let files: String = files.iter().map(|(path, _)| format!("  {path}\n")).collect();
    format!(
        "made {name} in {dir}:
{files}
next:
  cd {dir}
  cargo run -- check
  cargo run -- test
  cargo run -- feed {} {}
",
        template::FLOW,
        template::ROWS
    )
}
