//! Which tests are meant by a text.

use kisflow_core::TestConf;

/// Whether the text is in the test's name, or in that of what it tests, in whatever letters.
pub(super) fn is_called(test: &TestConf, text: &str) -> bool {
    let text = text.to_lowercase();
    let names = [Some(&test.tname), test.flow.as_ref(), test.function.as_ref()];
    names.into_iter().flatten().any(|name| name.to_lowercase().contains(&text))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kisflow_core::Conf;

    use super::is_called;

    #[test]
    fn tests_are_chosen_by_their_name_or_that_of_what_they_test() {
        let dir = tempfile::tempdir().unwrap();
        let test = "{kistype: test, tname: Paid back, flow: Refunds}";
        fs::write(dir.path().join("test.yml"), test).unwrap();
        let conf = Conf::read(dir.path()).unwrap();
        let chosen = |text| is_called(&conf.tests["Paid back"], text);
        assert!(["", "paid", "refund", "Refunds"].into_iter().all(chosen));
        assert!(!["Total", "paidback"].into_iter().any(chosen));
    }
}
