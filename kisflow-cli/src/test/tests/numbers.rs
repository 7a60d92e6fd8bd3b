//! Numbers that no number type holds exactly.

use super::check;

#[test]
fn numbers_are_given_and_compared_with_all_their_digits() {
    let row = "{id: 18446744073709551617, n: 0.123456789012345678901234567890}";
    check(
        &format!(
            "flow: Keep
given: {{rows: [{row}]}}
expect:
  rows: [{row}]
  records: {{Numbers: {{18446744073709551617: {{n: 0.12345678901234567890123456789}}}}}}
"
        ),
        &[],
    );
    let record = "{Numbers: {7: {n: 1.10}}}";
    check(
        &format!(
            "flow: Find
given: {{rows: [{{id: 7}}], records: {record}}}
expect: {{rows: [{{id: 7, n: 1.1}}], records: {record}}}
"
        ),
        &[],
    );
    check(
        &format!(
            "flow: Keep\ngiven: {{rows: [{row}]}}\nexpect:\n  rows: [{{id: 18446744073709551616, n: 0.123456789012345678901234567891}}]\n"
        ),
        &[
            ":6: other rows come out",
            "- {\"id\":18446744073709551616,\"n\":0.123456789012345678901234567891}",
            "+ {\"id\":18446744073709551617,\"n\":0.123456789012345678901234567890}",
            "    id: expected 18446744073709551616, got 18446744073709551617",
            "    n: expected 0.123456789012345678901234567891, got 0.123456789012345678901234567890",
        ],
    );
}
