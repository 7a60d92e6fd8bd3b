//! [`Denied`]: which command Redis does not let a user run, and the ACL rule that would let it.

use fred::error::Error as FredError;

/// What Redis does not let a user do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    /// The command, as in `XGROUP CREATE`.
    pub(crate) command: String,
    /// Whether the user may run it, but not on this key.
    pub(crate) of_key: bool,
}

impl Denied {
    /// Reads an answer of Redis to a command, if it says that the user lacks a permission.
    ///
    /// Redis says which command that is from version 7 on; before, and where a key is the reason, it
    /// is the command that was sent.
    pub(crate) fn read(answer: &FredError, sent: &str) -> Option<Self> {
        let said = answer.details().strip_prefix("NOPERM ")?;
        let (in_script, said) = match said.split_once(": ") {
            // Our own scripts say it so.
            Some((command, said)) if is_command(command) => (Some(command), said),
            _ => (None, said),
        };
        let of_key = said.contains("access") && said.contains("key");
        let quoted = said.split('\'').nth(1).filter(|_| !of_key);
        let command = match (in_script, quoted) {
            (Some(command), _) => command.to_owned(),
            (None, Some(quoted)) => quoted.replace('|', " ").to_uppercase(),
            (None, None) => sent.to_owned(),
        };
        Some(Self { command, of_key })
    }

    /// The ACL rule that allows it.
    pub(crate) fn rule(&self, key: &str) -> String {
        match self.of_key {
            // An ellipsis stands for all keys that begin so.
            true => format!("~{}", key.replace('…', "*")),
            false => format!("+{}", self.command.to_lowercase().replace(' ', "|")),
        }
    }
}

/// Whether it is a command or a subcommand in capitals.
fn is_command(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use fred::error::ErrorKind;

    use super::*;

    fn check(said: &str, expect: Option<(&str, &str)>) {
        let denied = Denied::read(&FredError::new(ErrorKind::Unknown, said.to_owned()), "XACK");
        let found = denied.as_ref().map(|denied| (denied.command.clone(), denied.rule("orders")));
        let expect = expect.map(|(command, rule)| (command.to_owned(), rule.to_owned()));
        assert_eq!(found, expect, "{said}");
    }

    #[test]
    fn the_command_that_was_refused_is_named_whatever_the_version() {
        // 6.2, 7.0, 7.2 and later.
        check(
            "NOPERM this user has no permissions to run the 'xgroup' command or its subcommand",
            Some(("XGROUP", "+xgroup")),
        );
        check(
            "NOPERM this user has no permissions to run the 'xgroup|create' command",
            Some(("XGROUP CREATE", "+xgroup|create")),
        );
        check(
            "NOPERM User reader has no permissions to run the 'xreadgroup' command",
            Some(("XREADGROUP", "+xreadgroup")),
        );
        check(
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            Some(("XACK", "~orders")),
        );
        check("NOPERM No permissions to access a key", Some(("XACK", "~orders")));
        check(
            "NOPERM XGROUP DELCONSUMER: ERR The user executing the script can't run this command or subcommand",
            Some(("XGROUP DELCONSUMER", "+xgroup|delconsumer")),
        );
        check(
            "NOPERM HSET: ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
            Some(("HSET", "~orders")),
        );
        check("WRONGTYPE Operation against a key holding the wrong kind of value", None);
        check("NOAUTH Authentication required.", None);
    }
}
