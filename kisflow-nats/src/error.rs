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
    /// Shared: every call that an outage stops returns the same error.
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

/// The message of async-nats or the server, with its causes: async-nats' errors print their sources
/// themselves.
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

    /// No connection was made.
    pub(crate) fn connect(message: impl Into<String>, cause: Option<String>) -> Self {
        Self::of(Class::Connect, message, cause)
    }

    /// The connection was lost, and is being made again.
    pub(crate) fn away(place: &str, said: Option<String>) -> Self {
        Self::of(
            Class::Outage,
            format!("the connection to nats at {place} is lost and being made again"),
            said,
        )
    }

    /// The connection was lost during a request: it is unknown what arrived.
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

    /// A stream that is missing or ambiguous.
    pub(crate) fn stream(message: impl Into<String>) -> Self {
        Self::of(Class::Stream, message, None)
    }

    /// A consumer that differs from the conf.
    pub(crate) fn consumer(message: impl Into<String>) -> Self {
        Self::of(Class::Consumer, message, None)
    }

    /// The store of the positions fails.
    pub(crate) fn store(message: impl Into<String>) -> Self {
        Self::of(Class::Outage, message, None)
    }

    /// A consumer that does not exist any more.
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

    /// Returns `true` if the conf of the source is at fault; nothing was connected.
    #[must_use]
    pub fn is_conf(&self) -> bool {
        self.inner.class == Class::Conf
    }

    /// Returns `true` if no connection could be made when the source was opened.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.inner.class == Class::Connect
    }

    /// Returns `true` if the connection was lost or silent later on, or the consumer was deleted.
    /// It is made again, and unacknowledged rows are redelivered.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.inner.class == Class::Outage
    }

    /// Returns `true` if the server, or the account on it, has no JetStream.
    #[must_use]
    pub fn is_jetstream(&self) -> bool {
        self.inner.class == Class::JetStream
    }

    /// Returns `true` if the stream is missing, or several match.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.inner.class == Class::Stream
    }

    /// Returns `true` if the consumer exists with other settings than those of the conf.
    #[must_use]
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
