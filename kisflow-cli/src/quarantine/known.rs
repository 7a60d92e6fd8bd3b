//! Names that filters choose by, and that nothing has: most likely slips.

use std::collections::BTreeSet;

use kisflow_core::{Conf, Quarantine, QuarantineError, QuarantineFilter, suggest};

use super::store::failed;
use crate::{failure::Failure, text::one_line};

/// For a filter that nothing matches.
///
/// # Errors
///
/// When it names a flow, function or source that neither the conf nor a row has. A flow that was
/// renamed may have rows still.
pub(super) async fn check(
    quarantine: &Quarantine,
    conf: &Conf,
    filter: &QuarantineFilter,
) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for name in unknown(conf, filter) {
        if !has_rows(quarantine, &name.rows).await.map_err(|error| failed(&error))? {
            wrong.push(name.message);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::usage(wrong.join("\n"))) }
}

async fn has_rows(
    quarantine: &Quarantine,
    filter: &QuarantineFilter,
) -> Result<bool, QuarantineError> {
    Ok(!quarantine.list(filter, 1).await?.is_empty()
        || !quarantine.discarded().list(filter, 1).await?.is_empty()
        || !quarantine.waiting().list(filter, 1).await?.is_empty())
}

/// A name that the conf does not have.
struct Unknown {
    message: String,
    /// What has it, if anything.
    rows: QuarantineFilter,
}

fn unknown(conf: &Conf, filter: &QuarantineFilter) -> Vec<Unknown> {
    let steps = conf.flows.values().flat_map(|flow| &flow.flows).map(|step| step.fname.as_str());
    let functions = conf.functions.keys().map(String::as_str).chain(steps).collect();
    let all = QuarantineFilter::new;
    let unknown = |kind: &str, name: &String, known: BTreeSet<&str>, rows| {
        let is_known = known.contains(name.as_str());
        let message = format!("no {kind} is named \"{name}\"{}", suggest(name, known));
        (!is_known).then(|| Unknown { message: one_line(&message), rows })
    };
    let flow = filter.flow.as_ref().and_then(|name| {
        let known = conf.flows.keys().map(String::as_str).collect();
        unknown("flow", name, known, all().flow(name))
    });
    let function = filter
        .function
        .as_ref()
        .and_then(|name| unknown("function", name, functions, all().function(name)));
    let source = filter.source.as_ref().and_then(|name| {
        let known = conf.sources.keys().map(String::as_str).collect();
        unknown("source", name, known, all().source(name))
    });
    [flow, function, source].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use kisflow_core::{Conf, FlowConf, QuarantineFilter, SourceConf};

    use super::unknown;

    fn check(filter: &QuarantineFilter, messages: &[&str]) {
        let conf = Conf::new()
            .flow(FlowConf::new("Invoices").then_named("Price"))
            .source(SourceConf::new("orders", "file"));
        let found: Vec<_> = unknown(&conf, filter).into_iter().map(|name| name.message).collect();
        assert_eq!(found, messages);
    }

    #[test]
    fn a_name_that_the_conf_does_not_have_gets_a_suggestion() {
        let all = QuarantineFilter::new;
        check(&all(), &[]);
        check(&all().flow("Invoices").function("Price").source("orders").cause("x"), &[]);
        check(
            &all().flow("Invoics").function("price").source("nats"),
            &[
                "no flow is named \"Invoics\"; did you mean \"Invoices\"?",
                "no function is named \"price\"; did you mean \"Price\"?",
                "no source is named \"nats\"; known: orders",
            ],
        );
        check(&all().flow("\u{1b}[2J"), &["no flow is named \"\\u001b[2J\"; known: Invoices"]);
    }
}
