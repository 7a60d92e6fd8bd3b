//! Completions and the man page, of the same definitions as the command line.

use std::{fs, io, path::Path};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{failure::Failure, terminal};

pub(crate) fn completions(mut command: Command, shell: Shell) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    terminal::print(&String::from_utf8_lossy(&text))
}

pub(crate) fn man(command: Command, dir: Option<&Path>) -> Result<(), Failure> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        let rendered = Man::new(command).render(&mut page);
        rendered.map_err(|error| Failure::io("cannot render the man page", &error))?;
        return terminal::print(&String::from_utf8_lossy(&page));
    };
    let written: io::Result<()> =
        fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
    let failed =
        |error| Failure::io(format!("cannot write man pages to {}", dir.display()), &error);
    written.map_err(failed)
}
