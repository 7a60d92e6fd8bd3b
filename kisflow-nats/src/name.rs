//! Names as NATS wants them: subjects, streams, durable consumers; and positions.

use std::fmt::Write;

use kisflow_core::Start;

use crate::error::NatsError;

/// The longest name of a stream or consumer that NATS takes, in bytes.
const LONGEST: usize = 255;

/// A name that was written into the conf, under `key`.
pub(crate) fn name(key: &str, name: &str) -> Result<(), NatsError> {
    let wrong =
        |why: &str| NatsError::conf(format!("`{key}: {name}` is no name that NATS takes: {why}"));
    if name.is_empty() {
        return Err(wrong("it is empty"));
    }
    if name.len() > LONGEST {
        return Err(wrong("it is longer than 255 bytes"));
    }
    match name.chars().find(|c| c.is_whitespace() || c.is_control() || ".*>/\\".contains(*c)) {
        Some(found) => Err(wrong(&format!("it has a {found:?}; use letters, digits, `-` and `_`"))),
        None => Ok(()),
    }
}

/// A flow's name as the name of a consumer. What NATS does not take stands as `=` and its code in
/// hexadecimal, as does `=` itself: two flows never get the same consumer.
pub(crate) fn consumer_of(flow: &str) -> Result<String, NatsError> {
    let mut consumer = String::with_capacity(flow.len());
    for c in flow.chars() {
        match c.is_alphanumeric() || matches!(c, '-' | '_') {
            true => consumer.push(c),
            // Writing to a `String` cannot fail.
            false => _ = write!(consumer, "={:02X}=", u32::from(c)),
        }
    }
    name("flow", &consumer).map_err(|_| {
        NatsError::conf(format!(
            "the name of flow `{flow}` is too long for a consumer's; give the source a `group`"
        ))
    })?;
    Ok(consumer)
}

/// A subject to read; `*` and `>` are wildcards.
pub(crate) fn subject(key: &str) -> Result<(), NatsError> {
    if key.is_empty() {
        return Err(NatsError::conf(
            "`key` is empty; expected the subject to read, such as `orders.>`",
        ));
    }
    let wrong = |why: &str| NatsError::conf(format!("`key: {key}` is no subject: {why}"));
    if key.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(wrong("it has white space"));
    }
    if key.split('.').any(str::is_empty) {
        return Err(wrong("there is nothing before, behind or between its dots"));
    }
    let mut tokens = key.split('.').rev();
    if tokens.next().is_some() && tokens.any(|token| token == ">") {
        return Err(wrong("`>` stands for all that follows; it can only be the last"));
    }
    Ok(())
}

/// Where a group that is new begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    First,
    Next,
    /// Behind a sequence, perhaps of a stream that was named with it.
    After {
        stream: Option<String>,
        sequence: u64,
    },
}

/// `start` of the conf: a sequence stands alone, or behind the stream's name as in a position.
pub(crate) fn begin(start: &Start, stream: Option<&str>) -> Result<Begin, NatsError> {
    let position = match start {
        Start::Earliest => return Ok(Begin::First),
        Start::Latest => return Ok(Begin::Next),
        Start::After(position) => position,
    };
    let (named, sequence) = match position.rsplit_once(':') {
        Some((named, sequence)) => (Some(named), sequence),
        None => (None, position.as_str()),
    };
    let sequence = sequence.parse().map_err(|_| {
        NatsError::conf(format!(
            "`start: {position}` is no position; expected `earliest`, `latest`, or the sequence of a stream such as `1234` or `ORDERS:1234`"
        ))
    })?;
    match (named, stream) {
        (Some(named), Some(stream)) if named != stream => Err(NatsError::conf(format!(
            "`start: {position}` is a position in stream `{named}`, and `params.stream` is `{stream}`"
        ))),
        _ => Ok(Begin::After { stream: named.map(str::to_owned), sequence }),
    }
}

/// What the subject that acknowledges a row says of its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Where the row stands in the stream.
    pub(crate) sequence: u64,
    /// Its number among all that the consumer has delivered.
    pub(crate) number: u64,
    /// Whether it was delivered before.
    pub(crate) is_again: bool,
}

impl Delivered {
    pub(crate) fn read(reply: &str) -> Option<Self> {
        let mut numbers = acknowledged(reply)?.skip(2).map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (times, sequence, number): (u64, u64, u64) = (next()?, next()?, next()?);
        Some(Self { sequence, number, is_again: times > 1 })
    }
}

/// The stream and the consumer in the subject that acknowledges a row.
pub(crate) fn consumer_in(reply: &str) -> Option<(&str, &str)> {
    let mut tokens = acknowledged(reply)?;
    Some((tokens.next()?, tokens.next()?))
}

/// What a subject says that acknowledges a row:
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream's sequence>.<consumer's sequence>.…`, since NATS 2.10 perhaps with
/// `<domain>.<account>.` before the stream. Here it begins with the stream.
fn acknowledged(reply: &str) -> Option<impl Iterator<Item = &str>> {
    let tokens = reply.strip_prefix("$JS.ACK.")?;
    // Seven tokens in the old form, nine or more in the new.
    let before = if tokens.split('.').count() < 9 { 0 } else { 2 };
    Some(tokens.split('.').skip(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_has_a_consumer_of_its_own_whatever_its_name() {
        let check = |flow: &str, expect: &str| assert_eq!(consumer_of(flow).unwrap(), expect);
        check("orders", "orders");
        check("orders-2_b", "orders-2_b");
        check("orders.fast", "orders=2E=fast");
        check("orders=2E=fast", "orders=3D=2E=3D=fast");
        check("a b/c", "a=20=b=2F=c");
        check("订单", "订单");
        assert!(consumer_of(&"x".repeat(256)).unwrap_err().to_string().contains("`group`"));
    }

    #[test]
    fn a_name_that_nats_does_not_take_is_refused_with_the_reason() {
        assert!(name("group", "billing-2").is_ok());
        let check = |group: &str, expect: &str| {
            let error = name("group", group).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("a.b", "it has a '.'; use letters");
        check("a b", "it has a ' '");
        check("a*", "it has a '*'");
        check("", "it is empty");
        check(&"x".repeat(256), "longer than 255");
    }

    #[test]
    fn a_subject_is_checked_as_nats_would() {
        for good in ["orders", "orders.*.new", "orders.>", ">", "a>b.c"] {
            assert!(subject(good).is_ok(), "{good}");
        }
        for bad in ["", "orders..new", ".orders", "orders.", "a b", "orders.>.new"] {
            assert!(subject(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_start_is_a_word_or_a_position() {
        let after = |text: &str, stream| begin(&Start::After(text.into()), stream);
        let named = |stream: &str| Begin::After { stream: Some(stream.into()), sequence: 7 };
        assert_eq!(begin(&Start::Latest, None).unwrap(), Begin::Next);
        assert_eq!(after("7", None).unwrap(), Begin::After { stream: None, sequence: 7 });
        assert_eq!(after("ORDERS:7", Some("ORDERS")).unwrap(), named("ORDERS"));
        assert_eq!(after("ORDERS:7", None).unwrap(), named("ORDERS"));
        assert!(after("yesterday", None).unwrap_err().to_string().contains("is no position"));
        let other = after("ORDERS:7", Some("SHIPS")).unwrap_err().to_string();
        assert!(other.contains("`params.stream` is `SHIPS`"), "{other}");
    }

    #[test]
    fn what_a_reply_says_is_read_from_both_of_its_forms() {
        let old = "$JS.ACK.ORDERS.billing.1.42.7.1700000000000000000.3";
        let new = "$JS.ACK.hub.hash.ORDERS.billing.1.42.7.1700000000000000000.3.token";
        let delivered = Delivered { sequence: 42, number: 7, is_again: false };
        assert_eq!(Delivered::read(old), Some(delivered));
        assert_eq!(Delivered::read(new), Some(delivered));
        let again = old.replace("billing.1", "billing.2");
        assert!(Delivered::read(&again).is_some_and(|delivered| delivered.is_again));
        assert_eq!(consumer_in(old), Some(("ORDERS", "billing")));
        assert_eq!(consumer_in(new), Some(("ORDERS", "billing")));
        assert_eq!(Delivered::read("_INBOX.x"), None);
        assert_eq!(Delivered::read("$JS.ACK.ORDERS"), None);
    }
}
