//! What the commands of `quarantine` are told.

use std::{num::NonZeroUsize, time::SystemTime};

use clap::{Args as ClapArgs, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use kisflow_core::{QuarantineFilter, RetryFrom};

use super::ids;
use crate::{failure::Failure, moment};

#[derive(ClapArgs)]
pub(crate) struct QuarantineArgs {
    #[command(subcommand)]
    pub(super) command: QuarantineCommand,
}

#[derive(Subcommand)]
pub(super) enum QuarantineCommand {
    /// List rows, the oldest first
    #[command(after_help = "Example: {program} quarantine list --function Price --since 2h")]
    List(ListArgs),
    /// Show all there is to know of one row
    #[command(after_help = "Example: {program} quarantine show 3f2a91c0")]
    Show(ShowArgs),
    /// Count rows by flow, function and cause
    #[command(after_help = "Example: {program} quarantine stats --flow Invoices")]
    Stats(Filters),
    /// Send rows on; those that fail again stay
    #[command(after_help = "Example: {program} quarantine retry --all --cause timeout")]
    Retry(RetryArgs),
    /// Change rows and send them on; where one fails again, what was changed stays
    #[command(after_help = "\
Example: {program} quarantine edit 3f2a91c0 --row '{\"id\":3,\"article\":\"tea\"}'
Example: {program} quarantine edit --all --cause currency --set currency=EUR --dry-run")]
    Edit(EditArgs),
    /// Take rows out for good; they are remembered with the reason
    #[command(
        after_help = "Example: {program} quarantine discard 3f2a91c0 --reason 'a test order'"
    )]
    Discard(DiscardArgs),
}

/// Which rows are meant.
#[derive(ClapArgs)]
pub(super) struct Filters {
    /// Only rows of this flow
    #[arg(long)]
    flow: Option<String>,
    /// Only rows that this function could not process
    #[arg(long)]
    function: Option<String>,
    /// Only rows of this source
    #[arg(long)]
    source: Option<String>,
    /// Only rows whose cause has this text in it, or that of `stats`
    #[arg(long, value_name = "TEXT")]
    cause: Option<String>,
    /// Only rows that have this text in them
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// Only rows with this value in a field: currency=EUR, customer.city=Ulm
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = assignment)]
    fields: Vec<(String, String)>,
    /// Only rows put there since: 15m, 2h or 3d ago, or 2026-03-01T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    since: Option<SystemTime>,
    /// Only rows put there before
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    until: Option<SystemTime>,
}

impl Filters {
    pub(super) fn filter(self) -> QuarantineFilter {
        let mut filter = QuarantineFilter::new();
        filter.flow = self.flow;
        filter.function = self.function;
        filter.source = self.source;
        filter.cause = self.cause;
        filter.contains = self.contains;
        filter.fields = self.fields;
        filter.since = self.since;
        filter.until = self.until;
        filter
    }
}

#[derive(ClapArgs)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) filters: Filters,
    /// The most rows that are listed [default: 20; with --output json all]
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<NonZeroUsize>,
    /// Only rows behind this cursor: `next` of a list before, by --output json
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<String>,
    /// The rows that were discarded instead
    #[arg(long)]
    pub(super) discarded: bool,
    /// The rows that wait for what is unavailable instead; the service tries them by itself
    #[arg(long, conflicts_with = "discarded")]
    pub(super) waiting: bool,
}

#[derive(ClapArgs)]
pub(super) struct ShowArgs {
    /// The row's id, or as much of its beginning as no other id has
    #[arg(value_parser = ids::parse)]
    pub(super) id: String,
}

/// Rows by id, or all of a kind.
#[derive(ClapArgs)]
pub(super) struct Chosen {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    filters: Filters,
}

#[derive(ClapArgs)]
#[group(required = true, multiple = false)]
struct Which {
    /// The ids of rows, or as much of each one's beginning as no other id has
    #[arg(value_name = "ID", value_parser = ids::parse)]
    ids: Vec<String>,
    /// All rows, or all that the filters leave
    #[arg(long)]
    all: bool,
}

/// Which rows were chosen.
#[derive(Debug)]
pub(super) enum Choice {
    Ids(Vec<String>),
    All(QuarantineFilter),
}

impl Chosen {
    /// # Errors
    ///
    /// When there are ids and filters: nobody can know which is meant.
    pub(super) fn choice(self) -> Result<Choice, Failure> {
        let filter = self.filters.filter();
        match self.which.all {
            true => Ok(Choice::All(filter)),
            false if filter != QuarantineFilter::new() => Err(Failure::usage(
                "filters choose among all rows: leave the ids out, and say --all",
            )),
            false => Ok(Choice::Ids(self.which.ids)),
        }
    }
}

/// `NAME=VALUE`.
fn assignment(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE"),
    }
}

/// Where a row that is sent on begins.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum From {
    /// With the function that could not process it
    #[default]
    Function,
    /// With the first function, as it came from the source
    Start,
}

impl From {
    pub(super) fn retry(self) -> RetryFrom {
        match self {
            Self::Function => RetryFrom::Function,
            Self::Start => RetryFrom::Start,
        }
    }
}

#[derive(ClapArgs)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    pub(super) rows: Chosen,
    /// Where the rows begin
    #[arg(long, value_enum, default_value_t)]
    pub(super) from: From,
}

#[derive(ClapArgs)]
pub(super) struct EditArgs {
    #[command(flatten)]
    pub(super) rows: Chosen,
    /// The new row: JSON, or a line of CSV where the row came as one; a file that has it, or - for
    /// standard input; without it and without --set, $VISUAL or $EDITOR opens
    #[arg(long, value_name = "ROW|FILE|-", conflicts_with = "all")]
    pub(super) row: Option<String>,
    /// Set a field of each row: currency=EUR, customer.city=Ulm. A value that is JSON is taken as it
    /// is, all else as text
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment, conflicts_with = "row")]
    pub(super) set: Vec<(String, String)>,
    /// Only show what would be changed
    #[arg(long, requires = "set")]
    pub(super) dry_run: bool,
    /// Do not ask before all are changed
    #[arg(long)]
    pub(super) yes: bool,
    /// Where the row begins
    #[arg(long, value_enum, default_value_t)]
    pub(super) from: From,
}

#[derive(ClapArgs)]
pub(super) struct DiscardArgs {
    #[command(flatten)]
    pub(super) rows: Chosen,
    /// Why; it is remembered
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) reason: String,
    /// Do not ask before all are discarded
    #[arg(long)]
    pub(super) yes: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Choice, Chosen, DiscardArgs, EditArgs, ListArgs, assignment};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        chosen: Chosen,
    }

    fn check(args: &[&str], meant: &str) {
        let line = Line::try_parse_from([&["retry"], args].concat());
        let choice = match line.map(|line| line.chosen.choice()) {
            Ok(Ok(Choice::Ids(ids))) => ids.join(" "),
            Ok(Ok(Choice::All(filter))) => format!("all of {:?}", filter.flow),
            Ok(Err(_)) | Err(_) => "wrong".to_owned(),
        };
        assert_eq!(choice, meant, "{args:?}");
    }

    #[test]
    fn rows_are_chosen_by_id_or_by_filter_and_never_by_nothing() {
        check(&["3f2a91c0", "77aa"], "3f2a91c0 77aa");
        check(&["--all"], "all of None");
        check(&["--all", "--flow", "Invoices"], "all of Some(\"Invoices\")");
        check(&[], "wrong");
        check(&["--flow", "Invoices"], "wrong");
        check(&["3f2a91c0", "--all"], "wrong");
        check(&["3f2a91c0", "--flow", "Invoices"], "wrong");
        check(&["--all", "--since", "yesterday"], "wrong");
        check(&[""], "wrong");
        check(&["12"], "wrong");
    }

    #[test]
    fn a_field_and_its_value_stand_around_the_first_equals_sign() {
        let check = |text: &str, name: &str, value: &str| {
            assert_eq!(assignment(text).unwrap(), (name.to_owned(), value.to_owned()));
        };
        check("currency=EUR", "currency", "EUR");
        check("a.b=", "a.b", "");
        check("q=a=b", "q", "a=b");
        assert!(assignment("=x").is_err() && assignment("x").is_err());
    }

    #[derive(Parser)]
    struct Discard {
        #[command(flatten)]
        _discard: DiscardArgs,
    }

    #[derive(Parser)]
    struct List {
        #[command(flatten)]
        _list: ListArgs,
    }

    #[derive(Parser)]
    struct Edit {
        #[command(flatten)]
        _edit: EditArgs,
    }

    #[test]
    fn all_rows_are_never_made_the_same_row() {
        check_wrong::<Edit>(
            &["edit", "--all", "--set", "a=1", "--set", "b.c=x", "--dry-run"],
            &["edit", "--all", "--row", "{}"],
        );
        check_wrong::<Edit>(
            &["edit", "3f2a91c0", "--row", "{}"],
            &["edit", "3f2a91c0", "--row", "{}", "--set", "a=1"],
        );
    }

    fn check_wrong<T: Parser>(right: &[&str], wrong: &[&str]) {
        assert!(T::try_parse_from(right).is_ok(), "{right:?}");
        assert!(T::try_parse_from(wrong).is_err(), "{wrong:?}");
    }

    #[test]
    fn a_reason_says_something_and_a_list_has_a_row() {
        let discard = ["discard", "3f2a91c0", "--reason"];
        check_wrong::<Discard>(
            &[&discard[..], &["test"]].concat(),
            &[&discard[..], &[""]].concat(),
        );
        check_wrong::<List>(&["list", "--limit", "1"], &["list", "--limit", "0"]);
    }
}
