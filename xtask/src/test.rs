//! `cargo xtask test`: what the tests need is installed or the command fails; no test is skipped.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::failure::Failure;
use crate::lanes;
use crate::process::{self, on_path};

/// The programs that tests start by themselves, on ports of their own, and the Debian packages
/// that bring them. A sentinel is `redis-server --sentinel`.
const NEEDED: [(&str, &str); 7] = [
    ("redis-server", "redis-server"),
    ("redis-cli", "redis-server"),
    ("nats-server", "nats-server"),
    ("initdb", "postgresql"),
    ("postgres", "postgresql"),
    ("openssl", "openssl"),
    ("tmux", "tmux"),
];

/// Debian keeps a folder of programs for each version of PostgreSQL, none of them on the PATH.
const POSTGRES: &str = "/usr/lib/postgresql";

/// Package managers and what to tell those who have them, the most telling first: a Mac or a
/// Fedora may well have an apt-get somewhere, a Debian has no pacman.
const ADVICE: [(&str, &str); 5] = [
    (
        "brew",
        "brew install redis nats-server postgresql@17 openssl tmux && brew link --force postgresql@17",
    ),
    (
        "dnf",
        "dnf install redis golang-github-nats-io-nats-server postgresql-server openssl tmux  (from Fedora 41 on: valkey-compat-redis)",
    ),
    ("pacman", "pacman -S redis nats-server postgresql openssl tmux"),
    ("apk", "apk add redis nats-server postgresql setpriv openssl tmux"),
    ("apt-get", "apt-get install redis-server nats-server postgresql openssl tmux"),
];

/// Runs all tests of the workspace, or those that `args` choose: they go to `cargo test`.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    install_missing()?;
    if args.is_empty() {
        return lanes::run();
    }
    process::run(process::cargo().arg("test").args(lanes::SCOPE).args(args))
}

/// Installs the programs that are missing, or fails with advice.
pub(crate) fn install_missing() -> Result<(), Failure> {
    if !missing(is_here).is_empty() && on_path("apt-get") {
        install(&missing(is_here));
    }
    let missing = missing(is_here);
    if !missing.is_empty() {
        return Err(Failure::Check(advice(&missing, on_path)));
    }
    Ok(())
}

/// Whether the tests find a program.
fn is_here(program: &str) -> bool {
    let versions = fs::read_dir(POSTGRES).into_iter().flatten().flatten();
    let mut folders = versions.map(|version| version.path().join("bin"));
    on_path(program) || folders.any(|folder| folder.join(program).is_file())
}

fn missing(found: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    NEEDED.into_iter().filter(|(program, _)| !found(program)).collect()
}

/// Debian's way. Whether it worked is for the PATH to tell, not for apt-get's status: a foreign
/// package source that does not answer, or a Redis service that cannot start here, does no harm.
fn install(missing: &[(&str, &str)]) {
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    println!("the tests need {}: installing with apt-get", packages.join(" and "));
    if packages.contains(&"redis-server") {
        println!("(should Debian start a Redis service of its own: the tests do not use it)");
    }
    if packages.contains(&"postgresql") {
        println!("(should Debian start a PostgreSQL of its own: the tests do not use it)");
    }
    let steps: [&[&str]; 2] = [&["update"], &["install", "-y", "--no-install-recommends"]];
    for (step, packages) in steps.into_iter().zip([&[], packages.as_slice()]) {
        let mut command = env_as_root();
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(step).args(packages);
        if let Err(failure) = process::run(command.stdin(Stdio::null())) {
            failure.warn();
        }
    }
}

/// `env`, because sudo does not hand our environment on; `-n`, because a run of the tests must
/// not stop and ask for a password.
fn env_as_root() -> Command {
    let id = Command::new("id").arg("-u").output();
    if id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") {
        return Command::new("env");
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "env"]);
    sudo
}

fn advice(missing: &[(&str, &str)], found: impl Fn(&str) -> bool) -> String {
    let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let here = ADVICE.iter().find(|(manager, _)| found(manager));
    let commands: Vec<&str> = match here {
        Some((_, command)) => vec![command],
        None => ADVICE.iter().map(|(_, command)| *command).collect(),
    };
    format!(
        "the tests need {} on the PATH, install with:\n  {}",
        programs.join(", "),
        commands.join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_found_is_missing() {
        assert_eq!(missing(|_| true), []);
        assert_eq!(missing(|program| program != "openssl"), [("openssl", "openssl")]);
        assert_eq!(missing(|_| false), NEEDED);
    }

    #[test]
    fn the_advice_is_for_the_package_manager_that_is_here() {
        let openssl = [("openssl", "openssl")];
        assert_eq!(
            advice(&openssl, |program| program == "apk"),
            "the tests need openssl on the PATH, install with:\n  apk add redis nats-server postgresql setpriv openssl tmux"
        );
    }

    #[test]
    fn without_a_known_package_manager_the_advice_names_all() {
        let advice = advice(&NEEDED, |_| false);
        assert!(advice.starts_with(
            "the tests need redis-server, redis-cli, nats-server, initdb, postgres, openssl, tmux on the PATH"
        ));
        for (_, command) in ADVICE {
            assert!(advice.contains(command), "{command}");
        }
    }
}
