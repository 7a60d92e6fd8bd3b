//! `cargo xtask chaos`: the tests that kill processes and servers, longer and again and again.

use std::time::Instant;

use crate::failure::Failure;
use crate::lanes;
use crate::process;
use crate::test;

/// What a round of the long form has where `cargo xtask test` has less, by the variable that the
/// tests read.
const ROWS: (&str, &str) = ("CHAOS_ROWS", "100000");

/// How many rounds there are, and which tests are in them.
#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    rounds: u32,
    seed: Option<&'a str>,
    names: Vec<&'a str>,
}

/// Runs the chaos tests whose names contain one of those in `args`, or all.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let Options { rounds, seed, names } = options(args)?;
    test::install_missing()?;
    let workers = ["chaos_committer", "chaos_worker"].iter().flat_map(|name| ["--example", name]);
    process::run(process::cargo().arg("build").args(lanes::SCOPE).args(workers))?;
    for round in 1..=rounds {
        println!("chaos, round {round} of {rounds}");
        let started = Instant::now();
        let mut tests = process::cargo();
        tests.arg("test").args(lanes::SCOPE).args(["--test", "chaos", "--"]).args(&names);
        // Each test prints its figures, and the seed of its random instants.
        tests.arg("--nocapture").env(ROWS.0, ROWS.1);
        if let Some(seed) = seed {
            tests.env("CHAOS_SEED", seed);
        }
        process::run(&mut tests)?;
        println!("chaos, round {round} of {rounds}: {:.0?}", started.elapsed());
    }
    Ok(())
}

fn options(args: &[String]) -> Result<Options<'_>, Failure> {
    let mut options = Options { rounds: 3, seed: None, names: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || {
            let value = args.next().map(String::as_str);
            value.ok_or_else(|| Failure::Usage(format!("`{arg}` needs a value")))
        };
        match arg.as_str() {
            "--rounds" => {
                let rounds = value()?;
                options.rounds = rounds.parse().map_err(|_| {
                    Failure::Usage(format!("`--rounds` is a whole number, got `{rounds}`"))
                })?;
            }
            "--seed" => options.seed = Some(value()?),
            unknown if unknown.starts_with('-') => {
                return Err(Failure::Usage(format!("unknown option `{unknown}`")));
            }
            name => options.names.push(name),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_values() {
        let args =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        let given = args("--rounds 7 nats --seed 5 posts");
        let expected = Options { rounds: 7, seed: Some("5"), names: vec!["nats", "posts"] };
        assert_eq!(options(&given).unwrap(), expected);
        for (wrong, message) in [
            ("--rounds", "`--rounds` needs a value"),
            ("--rounds x", "`--rounds` is a whole number, got `x`"),
            ("--round 3", "unknown option `--round`"),
        ] {
            match options(&args(wrong)) {
                Err(Failure::Usage(said)) => assert_eq!(said, message),
                other => panic!("`{wrong}` ended in {other:?}"),
            }
        }
    }
}
