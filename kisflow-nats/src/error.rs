//! [`NatsError`]: why NATS could not be reached, or what it refused.

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// Why NATS could not be reached, or what it refused.
///
/// ```
/// use kisflow_core::{Source, SourceConf, SourceContext};
/// use kisflow_nats::{Nats, NatsError, NatsParams};
///
/// # async fn example(context: SourceContext) {
/// let conf = SourceConf::new("orders", "nats").key("orders.>");
/// if let Err(error) = Nats::open(&conf, NatsParams::default(), context).await {
///     let away = error.downcast_ref::<NatsError>().is_some_and(NatsError::is_outage);
///     println!("{}: {error}", if away { "try again later" } else { "mend the conf" });
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct NatsError {
    /// Shared: one outage is told by every call that it stops.
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    class: Class,
    message: String,
    cause: Option<Said>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Conf,
    Connect,
    Outage,
    JetStream,
    Stream,
    Consumer,
    Refused,
}

/// What async-nats or the server says, with all that stands behind it: async-nats' errors print
/// their sources themselves.
#[derive(Debug)]
struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for Said {}

impl NatsError {
    pub(crate) fn conf(message: impl Into<String>) -> Self {
        Self::of(Class::Conf, message, None)
    }

    /// No connection was had.
    pub(crate) fn connect(message: impl Into<String>, cause: Option<String>) -> Self {
        Self::of(Class::Connect, message, cause)
    }

    /// The connection went, and is being made again.
    pub(crate) fn away(place: &str, said: Option<String>) -> Self {
        Self::of(
            Class::Outage,
            format!("the connection to nats at {place} is lost and being made again"),
            said,
        )
    }

    /// The connection went while something was asked or told: it is not known what arrived.
    pub(crate) fn unsure(place: &str) -> Self {
        Self::of(
            Class::Outage,
            format!("the connection to nats at {place} was lost before it confirmed; say it again"),
            None,
        )
    }

    pub(crate) fn silent(place: &str, what: &str, waited: Duration) -> Self {
        Self::of(
            Class::Outage,
            format!("nats at {place} did not answer within {waited:?}: {what}"),
            None,
        )
    }

    pub(crate) fn no_jetstream(place: &str) -> Self {
        Self::of(
            Class::JetStream,
            format!(
                "nats at {place} has no JetStream; start it with `nats-server --jetstream`, and enable it for this user's account"
            ),
            None,
        )
    }

    /// A stream that is missing, or cannot be what is meant.
    pub(crate) fn stream(message: impl Into<String>) -> Self {
        Self::of(Class::Stream, message, None)
    }

    /// A consumer that is not as the conf says.
    pub(crate) fn consumer(message: impl Into<String>) -> Self {
        Self::of(Class::Consumer, message, None)
    }

    /// A consumer that is there no more.
    pub(crate) fn gone(place: &str, stream: &str, consumer: &str) -> Self {
        Self::of(
            Class::Outage,
            format!(
                "the consumer `{consumer}` of stream `{stream}` at nats {place} is gone and being made again"
            ),
            None,
        )
    }

    pub(crate) fn refused(place: &str, what: &str, said: impl fmt::Display) -> Self {
        Self::of(Class::Refused, format!("nats at {place} refused: {what}"), Some(said.to_string()))
    }

    fn of(class: Class, message: impl Into<String>, cause: Option<String>) -> Self {
        Self { inner: Arc::new(Inner { class, message: message.into(), cause: cause.map(Said) }) }
    }

    /// Whether the conf of the source is at fault; nothing was connected to.
    pub fn is_conf(&self) -> bool {
        self.inner.class == Class::Conf
    }

    /// Whether no connection was had when the source was opened.
    pub fn is_connect(&self) -> bool {
        self.inner.class == Class::Connect
    }

    /// Whether the connection was lost or silent later on, or the consumer was deleted. It is made
    /// again; rows that were not acknowledged come again.
    pub fn is_outage(&self) -> bool {
        self.inner.class == Class::Outage
    }

    /// Whether the server, or the account on it, has no JetStream.
    pub fn is_jetstream(&self) -> bool {
        self.inner.class == Class::JetStream
    }

    /// Whether the stream is missing, or several could be meant.
    pub fn is_stream(&self) -> bool {
        self.inner.class == Class::Stream
    }

    /// Whether the consumer exists with other settings than the conf's.
    pub fn is_consumer(&self) -> bool {
        self.inner.class == Class::Consumer
    }
}

impl fmt::Debug for NatsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { class, message, cause } = &*self.inner;
        formatter
            .debug_struct("NatsError")
            .field("class", class)
            .field("message", message)
            .field("cause", cause)
            .finish()
    }
}

impl fmt::Display for NatsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.inner.message)
    }
}

impl Error for NatsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.cause.as_ref().map(|cause| cause as _)
    }
}
