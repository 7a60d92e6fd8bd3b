//! What a consumer that exists does otherwise than the conf says.

use async_nats::jetstream::consumer::{AckPolicy, Config};

use crate::settings::Wanted;

/// Each setting that differs and matters, with both values. Where the consumer began is the past,
/// and no setting.
pub(crate) fn differences(found: &Config, wanted: &Wanted, subjects: &[String]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, found: String, wanted: String| {
        differences.push(format!("{what} is {found}, and the conf says {wanted}"));
    };
    if found.deliver_subject.is_some() {
        differ("its kind", "push".to_owned(), "pull".to_owned());
    }
    if !reads(found, &wanted.subject, subjects) {
        let filter = match found.filter_subjects.as_slice() {
            [] if found.filter_subject.is_empty() => "all subjects".to_owned(),
            [] => format!("`{}`", found.filter_subject),
            several => format!("`{}`", several.join(", ")),
        };
        differ("its subject", filter, format!("`key: {}`", wanted.subject));
    }
    if found.ack_policy != AckPolicy::Explicit {
        differ("ack_policy", format!("{:?}", found.ack_policy), "Explicit".to_owned());
    }
    if found.ack_wait != wanted.lease {
        let lease = format!("`params.lease_ms: {}`", wanted.lease.as_millis());
        differ("ack_wait", format!("{:?}", found.ack_wait), lease);
    }
    if found.max_deliver > 0 {
        differ("max_deliver", found.max_deliver.to_string(), "unlimited".to_owned());
    }
    if found.headers_only {
        differ("headers_only", "true".to_owned(), "false".to_owned());
    }
    differences
}

/// Whether the consumer reads this subject and no other. No filter is the same as the only one
/// that there is.
fn reads(found: &Config, subject: &str, subjects: &[String]) -> bool {
    match (found.filter_subject.as_str(), found.filter_subjects.as_slice()) {
        ("", []) => subject == ">" || subjects == [subject],
        ("", [one]) => one == subject,
        (filter, []) => filter == subject,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::name::Begin;

    fn check(change: fn(&mut Config), expect: &[&str]) {
        let wanted = Wanted {
            subject: "orders.>".to_owned(),
            stream: None,
            create_stream: false,
            consumer: "billing".to_owned(),
            lease: Duration::from_secs(30),
            begin: Begin::First,
        };
        let mut found = Config {
            filter_subject: "orders.>".to_owned(),
            ack_wait: Duration::from_secs(30),
            max_deliver: -1,
            ..Config::default()
        };
        change(&mut found);
        assert_eq!(differences(&found, &wanted, &["orders.>".to_owned()]), expect);
    }

    #[test]
    fn every_setting_that_matters_is_named_with_both_values() {
        check(|_| {}, &[]);
        check(|found| found.filter_subject.clear(), &[]);
        check(
            |found| found.filter_subject = "ships".to_owned(),
            &["its subject is `ships`, and the conf says `key: orders.>`"],
        );
        check(
            |found| {
                found.filter_subject.clear();
                found.filter_subjects = vec!["a".to_owned(), "b".to_owned()];
            },
            &["its subject is `a, b`, and the conf says `key: orders.>`"],
        );
        check(
            |found| found.ack_wait = Duration::from_secs(5),
            &["ack_wait is 5s, and the conf says `params.lease_ms: 30000`"],
        );
        check(
            |found| found.ack_policy = AckPolicy::None,
            &["ack_policy is None, and the conf says Explicit"],
        );
        check(|found| found.max_deliver = 3, &["max_deliver is 3, and the conf says unlimited"]);
        check(
            |found| found.headers_only = true,
            &["headers_only is true, and the conf says false"],
        );
        check(
            |found| found.deliver_subject = Some("x".to_owned()),
            &["its kind is push, and the conf says pull"],
        );
    }
}
