//! The chores of this repository, run as `cargo xtask COMMAND`: tests, checks, benchmarks.
//!
//! One file per command. `repo`, `process` and `failure` are what they share; `text` holds the
//! two ideas of `examples` and `readme`: fenced blocks, and comparing lines.

mod bench;
mod chaos;
mod ci;
mod deny;
mod examples;
mod failure;
mod lanes;
mod process;
mod readme;
mod reference;
mod repo;
mod test;
mod text;
mod tidy;

use std::env;
use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
The chores of this repository.

Usage: cargo xtask COMMAND

Commands:
  test [ARGS...]        install what the tests need, then run them all, or those that ARGS choose
                        (ARGS go to `cargo test`)
  chaos [NAME...]       run the tests that kill processes and servers, with more rows;
                        --rounds N (3), --seed N
  examples [NAME...]    run the examples, compare what they print with their head comments
  readme                compare README.md and docs/ with the examples and files that they quote
  reference             write docs/reference.md and the schema's params from the types; --check: compare
  tidy                  check the rules of the source tree (`test` does it too)
  bench [NAME...]       run the benchmarks; --smoke: only see that they work
  deny                  check licences, bans, sources and advisories of all dependencies
  ci                    fmt, clippy, docs, readme, reference, deny, examples, bench --smoke
                        --with-tests: run `test` first";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

fn dispatch(args: &[String]) -> Result<(), Failure> {
    let Some((command, args)) = args.split_first() else {
        return Err(Failure::Usage("no command given".to_owned()));
    };
    let wants_help = |arg: &String| arg == "--help" || arg == "-h";
    // What follows `test` is for cargo, its help included.
    if command == "help" || wants_help(command) || command != "test" && args.iter().any(wants_help)
    {
        println!("{HELP}");
        return Ok(());
    }
    match command.as_str() {
        "test" => test::run(args),
        "chaos" => chaos::run(args),
        "examples" => examples::run(args),
        "readme" => no_arguments(command, args).and_then(|()| readme::run()),
        "reference" => reference::run(args),
        "tidy" => no_arguments(command, args).and_then(|()| tidy::run()),
        "bench" => bench::run(args),
        "deny" => no_arguments(command, args).and_then(|()| deny::run()),
        "ci" => ci::run(args),
        unknown => Err(Failure::Usage(format!("unknown command `{unknown}`"))),
    }
}

fn no_arguments(command: &str, args: &[String]) -> Result<(), Failure> {
    match args.first() {
        None => Ok(()),
        Some(arg) => Err(Failure::Usage(format!("`{command}` takes no argument, got `{arg}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check_usage(line: &str, message: &str) {
        match dispatch(&args(line)) {
            Err(Failure::Usage(said)) => assert_eq!(said, message),
            other => panic!("`{line}` ended in {other:?}"),
        }
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        check_usage("", "no command given");
        check_usage("tset", "unknown command `tset`");
        check_usage("tidy now", "`tidy` takes no argument, got `now`");
        check_usage("ci --with-test", "`ci` knows only --with-tests, got `--with-test`");
        check_usage("bench --smok", "unknown option `--smok`");
        check_usage("reference --chek", "`reference` knows only --check, got `--chek`");
    }

    #[test]
    fn the_help_names_every_command() {
        for command in
            ["test", "chaos", "examples", "readme", "reference", "tidy", "bench", "deny", "ci"]
        {
            assert!(HELP.lines().any(|line| line.trim_start().starts_with(command)), "{command}");
        }
        assert!(dispatch(&args("--help")).is_ok());
        assert!(dispatch(&args("ci --help")).is_ok());
    }
}
