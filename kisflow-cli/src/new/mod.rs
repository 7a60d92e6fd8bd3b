//! `kisflow new`: a fresh service with one flow that runs, its tests, and what deploys it.

mod dependency;
mod name;
mod template;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args as ClapArgs;

use self::dependency::{Dependency, is_in_workspace};
use crate::{failure::Failure, terminal};

#[derive(ClapArgs)]
pub(crate) struct NewArgs {
    /// The name of the program
    name: String,
    /// Where it is made (default: a directory of its name)
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// A checkout of kisflow to depend on [default: the one that this command was built from, if it
    /// is there; or else the published crate]
    #[arg(long, value_name = "DIR")]
    kisflow_path: Option<PathBuf>,
    /// Depend on the published crate
    #[arg(long, conflicts_with = "kisflow_path")]
    published: bool,
}

pub(crate) fn run(args: &NewArgs) -> Result<(), Failure> {
    name::check(&args.name).map_err(Failure::Usage)?;
    let dir = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    if fs::symlink_metadata(&dir).is_ok() {
        let message = "is there already; choose another place with `--path`";
        return Err(Failure::usage(format!("{} {message}", dir.display())));
    }
    let kisflow = Dependency::new(args.kisflow_path.as_deref(), args.published)?;
    let files = template::files(&args.name, &kisflow, is_in_workspace(&dir));
    for (path, text) in &files {
        let path = dir.join(path);
        write(&path, text)
            .map_err(|error| Failure::io(format!("cannot write {}", path.display()), &error))?;
    }
    terminal::print(&made(&args.name, &dir, &files, &kisflow))
}

/// Writes a file that is not there yet, with the directories above it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    io::Write::write_all(&mut fs::File::create_new(path)?, text.as_bytes())
}

/// What has been made, and what to do next.
fn made(name: &str, dir: &Path, files: &[(PathBuf, String)], kisflow: &Dependency) -> String {
    let dir = dir.display();
    let files: String = files.iter().map(|(path, _)| format!("  {}\n", path.display())).collect();
    format!(
        "made {name} in {dir}:
{files}
kisflow is {{ {kisflow} }}

next:
  cd {dir}
  cargo run -- check
  cargo test && cargo run -- test
  cargo run -- feed {} {} --dry-run
  cargo run -- run
",
        template::FLOW,
        template::ROWS
    )
}
