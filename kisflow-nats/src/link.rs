//! [`Link`]: a connection to NATS, made within a bounded time or not at all.

use std::{
    future::{pending, ready},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{
    Client, ConnectError, ConnectErrorKind, Event, Subject,
    jetstream::{
        self, AckKind,
        context::{Context, RequestErrorKind},
        response::Response,
    },
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    error::NatsError,
    greeting::{Greeting, greeting},
    name::consumer_in,
    settings::Servers,
};

/// A connection to NATS. When it is lost, async-nats makes it again.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) context: Context,
    /// The addresses, for messages.
    pub(crate) place: String,
    /// How long an answer may take.
    pub(crate) limit: Duration,
    pub(crate) state: watch::Receiver<State>,
}

/// How the connection is.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) lost: bool,
    /// Why the last attempt to make it again failed.
    said: Option<String>,
}

impl Link {
    /// # Errors
    ///
    /// When there is no connection within the servers' `connect_timeout`: in words that say what
    /// to do.
    pub(crate) async fn connect(servers: &Servers) -> Result<Self, NatsError> {
        let (sender, state) = watch::channel(State::default());
        let sender = Arc::new(sender);
        let options = servers.options.clone().event_callback(move |event| {
            sender.send_modify(|state| state.note(&event));
            ready(())
        });
        let limit = servers.connect_timeout;
        let connecting = timeout(limit, options.connect(servers.to_server_addrs()?));
        let mut connecting = std::pin::pin!(connecting);
        // Only a slow start pays for the look at what the server does instead of answering.
        let mut look = std::pin::pin!(async {
            sleep(limit / 2).await;
            match servers.addresses.first() {
                Some(address) => greeting(address, limit / 4).await,
                None => pending().await,
            }
        });
        let mut seen = None;
        let connected = loop {
            tokio::select! {
                biased;
                connected = &mut connecting => break connected,
                greeting = &mut look, if seen.is_none() => seen = Some(greeting),
            }
        };
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(error)) if error.kind() != ConnectErrorKind::TimedOut => {
                return Err(refusal(servers, &error));
            }
            _ => return Err(silence(&servers.place, limit, seen.as_ref())),
        };
        let mut context = jetstream::new(client.clone());
        context.set_timeout(servers.request_timeout);
        let (place, limit) = (servers.place.clone(), servers.request_timeout);
        Ok(Self { client, context, place, limit, state })
    }

    /// How often a connection was made: what was sent under another count may be lost.
    pub(crate) fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// # Errors
    ///
    /// While the connection is lost.
    pub(crate) fn there(&self) -> Result<(), NatsError> {
        let state = self.state.borrow();
        match state.lost {
            true => Err(NatsError::away(&self.place, state.said.clone())),
            false => Ok(()),
        }
    }

    /// Asks JetStream's API. The server's refusal is an answer, too.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        subject: String,
        question: &impl Serialize,
    ) -> Result<Result<T, jetstream::Error>, NatsError> {
        self.there()?;
        let asking = async { Ok(self.context.request(subject.clone(), question).await) };
        match self.unless_lost(self.connects(), asking).await? {
            Ok(Response::Ok(answer)) => Ok(Ok(answer)),
            Ok(Response::Err { error })
                if [
                    jetstream::ErrorCode::JETSTREAM_NOT_ENABLED,
                    jetstream::ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
                ]
                .contains(&error.error_code()) =>
            {
                Err(NatsError::no_jetstream(&self.place))
            }
            Ok(Response::Err { error }) => Ok(Err(error)),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::NoResponders => NatsError::no_jetstream(&self.place),
                RequestErrorKind::TimedOut => NatsError::silent(&self.place, &subject, self.limit),
                _ => NatsError::refused(&self.place, &subject, error),
            }),
        }
    }

    /// Says a word to every one of the rows that these subjects acknowledge, and waits until it
    /// has arrived: the last is answered, and the server works on them in order. Saying it twice
    /// does no harm.
    ///
    /// # Errors
    ///
    /// When a word may not have arrived: the connection is lost, or was in between; no answer
    /// came; the consumer is gone.
    pub(crate) async fn tell(&self, rows: &[Subject], word: AckKind) -> Result<(), NatsError> {
        let Some((last, rest)) = rows.split_last() else { return Ok(()) };
        self.there()?;
        let before = self.connects();
        let word = Bytes::from(word);
        let told = async {
            for row in rest {
                let said = self.client.publish(row.clone(), word.clone()).await;
                said.map_err(|error| NatsError::refused(&self.place, "an acknowledgement", error))?;
            }
            self.client.request(last.clone(), word).await.map_err(|error| match error.kind() {
                async_nats::RequestErrorKind::NoResponders => {
                    let (stream, consumer) = consumer_in(last).unwrap_or_default();
                    NatsError::gone(&self.place, stream, consumer)
                }
                async_nats::RequestErrorKind::TimedOut => self.silent(),
                _ => NatsError::refused(&self.place, "an acknowledgement", error),
            })
        };
        // In an outage the client's queue may be full: the publishing is bounded, too.
        let told = async { timeout(self.limit, told).await.unwrap_or_else(|_| Err(self.silent())) };
        self.unless_lost(before, told).await?;
        match self.connects() == before {
            true => Ok(()),
            false => Err(NatsError::unsure(&self.place)),
        }
    }

    /// What comes of it, unless the connection goes meanwhile: then nothing would, for long.
    pub(crate) async fn unless_lost<T>(
        &self,
        before: u64,
        asking: impl Future<Output = Result<T, NatsError>>,
    ) -> Result<T, NatsError> {
        let mut state = self.state.clone();
        let lost = async {
            while self.there().is_ok() && self.connects() == before {
                // The sender lives as long as the client.
                if state.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            answer = asking => answer,
            () = lost => Err(self.there().err().unwrap_or_else(|| NatsError::unsure(&self.place))),
        }
    }

    fn silent(&self) -> NatsError {
        NatsError::silent(&self.place, "an acknowledgement", self.limit)
    }
}

impl State {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Connected => *self = Self::default(),
            Event::Disconnected => self.lost = true,
            Event::Closed => (self.lost, self.said) = (true, Some("it is closed".to_owned())),
            Event::ClientError(error) if self.lost => self.said = Some(error.to_string()),
            _ => {}
        }
    }
}

/// A connection that was refused, in words that say what to do.
fn refusal(servers: &Servers, error: &ConnectError) -> NatsError {
    let place = &servers.place;
    let said = error.to_string();
    let has = |text: &str| said.contains(text);
    let plain = |message: String| NatsError::connect(message, None);
    let told = |message: String| NatsError::connect(message, Some(said.clone()));
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation if servers.named => plain(format!(
            "nats at {place} refused the user; see `user` and `password_env`, `token_env` or `creds`"
        )),
        ConnectErrorKind::AuthorizationViolation => plain(format!(
            "nats at {place} wants to know who reads; set `user` and `password_env`, `token_env` or `creds`"
        )),
        ConnectErrorKind::Authentication => {
            told(format!("the `creds` for nats at {place} sign nothing"))
        }
        ConnectErrorKind::Dns => told(format!("the host of {place} is unknown")),
        _ if has("onnection refused") => {
            plain(format!("nothing listens at {place} (connection refused)"))
        }
        _ if has("UnknownIssuer") => told(format!(
            "the certificate of {place} is not trusted; set `tls: true`, and `tls_ca` if its authority is your own"
        )),
        _ if has("InvalidCertificate") || has("invalid peer certificate") => {
            told(format!("the certificate of {place} is not trusted"))
        }
        _ if has("InvalidContentType") => {
            plain(format!("{place} does not speak TLS; set `tls: false`"))
        }
        _ if has("invalid server operation") || has("expected INFO") => {
            told(format!("{place} does not speak the protocol of NATS; see `addrs`"))
        }
        _ => told(format!("no connection to nats at {place}")),
    }
}

/// A connection that did not come in time.
fn silence(place: &str, waited: Duration, seen: Option<&Greeting>) -> NatsError {
    NatsError::connect(
        match seen {
            Some(Greeting::Silent) => format!(
                "{place} accepts connections and does not greet as NATS does, within {waited:?}: another protocol, or a server that hangs; see `addrs`"
            ),
            Some(Greeting::Other) => {
                format!("{place} does not speak the protocol of NATS; see `addrs`")
            }
            Some(Greeting::Nats) => {
                format!("nats at {place} greeted and did not let us in within {waited:?}")
            }
            Some(Greeting::Away) | None => {
                format!("no connection to nats at {place} within {waited:?}")
            }
        },
        None,
    )
}
