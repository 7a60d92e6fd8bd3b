//! [`Group`]: the durable consumer that readers share, found or made as the conf says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use async_nats::{
    datetime::DateTime,
    jetstream::{
        ErrorCode,
        consumer::{self, AckPolicy, DeliverPolicy, PullConsumer, pull},
        stream,
    },
};
use serde::Deserialize;

use crate::{
    difference::differences, error::NatsError, exactly_once::DoneRows, link::Link, name::Begin,
    settings::Wanted,
};

/// The durable consumer that readers share.
pub(crate) struct Group {
    pub(crate) link: Arc<Link>,
    wanted: Wanted,
    /// The stream that was found first: it does not change under a reader.
    stream: OnceLock<String>,
    known: Mutex<Option<Known>>,
    /// Which rows are done, under `guarantee: exactly_once`.
    done: Option<Arc<DoneRows>>,
}

/// Where a consumer that is deleted begins when it is made again.
#[derive(Clone)]
struct Known {
    /// The part of its positions.
    part: Arc<str>,
    /// Which of several streams of one name.
    created: DateTime,
    /// Everything up to here was acknowledged.
    floor: u64,
    /// The last sequence of the stream.
    last: u64,
}

#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    streams: Option<Vec<String>>,
}

/// No question but the subject: `{}`.
const NOTHING: BTreeMap<&str, &str> = BTreeMap::new();

impl Group {
    pub(crate) fn new(link: Arc<Link>, wanted: Wanted, done: Option<Arc<DoneRows>>) -> Self {
        Self { link, wanted, stream: OnceLock::new(), known: Mutex::default(), done }
    }

    /// Finds the consumer, or makes it; again after it was deleted.
    ///
    /// # Errors
    ///
    /// When there is no such stream, the consumer has other settings, or the server does not
    /// answer.
    pub(crate) async fn attach(&self) -> Result<PullConsumer, NatsError> {
        let stream = self.stream().await?;
        let info = match self.consumer(&stream.config.name).await? {
            Some(info) => info,
            None => {
                if let Some(done) = &self.done {
                    let part = DoneRows::part(&stream.config.name, stream.created);
                    if done.has_begun(&part).await? {
                        return Err(self.lost(&stream.config.name));
                    }
                }
                self.create(&stream).await?
            }
        };
        let differences = differences(&info.config, &self.wanted, &stream.config.subjects);
        if !differences.is_empty() {
            let (stream, consumer) = (&info.stream_name, &info.name);
            return Err(NatsError::consumer(format!(
                "the consumer `{consumer}` of stream `{stream}` at nats {} exists with other settings: {}; set them in the conf, name another `group`, or delete it: `nats consumer rm {stream} {consumer}`",
                self.link.place,
                differences.join(", ")
            )));
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known {
            part: DoneRows::part(&stream.config.name, stream.created),
            created: stream.created,
            floor: info.ack_floor.stream_sequence,
            last: stream.state.last_sequence,
        });
        let config =
            pull::Config { durable_name: Some(info.name.clone()), ..pull::Config::default() };
        Ok(PullConsumer::new(config, info, self.link.context.clone()))
    }

    /// When the stream was created, which tells it apart from another of its name.
    pub(crate) fn created(&self) -> Option<DateTime> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|known| known.created)
    }

    /// Up to where all rows are acknowledged, as far as it is known.
    pub(crate) fn floor(&self) -> u64 {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map_or(0, |known| known.floor)
    }

    /// An error if the stream ends before rows that are done.
    pub(crate) fn check_end(&self) -> Result<(), NatsError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (&self.done, known, self.stream.get()) {
            (Some(done), Some(known), Some(stream)) if done.reads(&known.part) => {
                done.check_end(stream, known.last)
            }
            _ => Ok(()),
        }
    }

    /// The part of the stream's positions; known once the consumer was found.
    pub(crate) fn part(&self) -> Option<Arc<str>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|known| known.part.clone())
    }

    /// The consumer is gone, and with it which rows are done.
    fn lost(&self, stream: &str) -> NatsError {
        let (consumer, place) = (&self.wanted.consumer, &self.link.place);
        NatsError::consumer(format!(
            "the consumer `{consumer}` of stream `{stream}` at nats {place} is gone, and with it which rows are done: rows that are read again would count again; begin anew: `positions reset --drop-states`, or make it behind the last row that is done: `nats consumer add {stream} {consumer}`, with the sequence behind that as its start"
        ))
    }

    /// How many rows the consumer has not handed out.
    pub(crate) async fn pending(&self) -> Result<u64, NatsError> {
        let stream = self.stream.get().map(String::as_str).unwrap_or_default();
        let Some(info) = self.consumer(stream).await? else {
            return Err(NatsError::gone(&self.link.place, stream, &self.wanted.consumer));
        };
        if let Some(known) = &mut *self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            known.floor = known.floor.max(info.ack_floor.stream_sequence);
        }
        Ok(info.num_pending)
    }

    /// How many rows readers of the consumer have, or had and did not acknowledge.
    pub(crate) async fn unacknowledged(&self) -> Result<usize, NatsError> {
        let stream = self.stream.get().map(String::as_str).unwrap_or_default();
        let info = self.consumer(stream).await?;
        // The next pull reports a consumer that is gone.
        Ok(info.map_or(0, |info| info.num_ack_pending))
    }

    async fn stream(&self) -> Result<stream::Info, NatsError> {
        let name = match self.stream.get().or(self.wanted.stream.as_ref()) {
            Some(name) => name.clone(),
            None => self.find().await?,
        };
        if let Begin::After { stream: Some(named), sequence } = &self.wanted.begin
            && *named != name
        {
            return Err(NatsError::stream(format!(
                "`start: {named}:{sequence}` is a position in stream `{named}`; `{}` is read from stream `{name}` at nats {}",
                self.wanted.subject, self.link.place
            )));
        }
        let info = match self.link.ask(format!("STREAM.INFO.{name}"), &NOTHING).await? {
            Ok(info) => info,
            Err(error) if error.error_code() != ErrorCode::STREAM_NOT_FOUND => {
                return Err(NatsError::refused(
                    &self.link.place,
                    &format!("stream `{name}`"),
                    error,
                ));
            }
            Err(_) if self.wanted.create_stream => self.create_stream(&name).await?,
            Err(_) => return Err(self.missing(&name)),
        };
        _ = self.stream.set(name);
        Ok(info)
    }

    /// The one stream that has the subject.
    async fn find(&self) -> Result<String, NatsError> {
        let (subject, place) = (&self.wanted.subject, &self.link.place);
        let question = BTreeMap::from([("subject", subject.as_str())]);
        let names: Names = self
            .link
            .ask("STREAM.NAMES".to_owned(), &question)
            .await?
            .map_err(|error| NatsError::refused(place, "the names of streams", error))?;
        let mut names = names.streams.unwrap_or_default();
        match (names.pop(), names.is_empty()) {
            (Some(name), true) => Ok(name),
            (Some(name), false) => {
                names.push(name);
                Err(NatsError::stream(format!(
                    "several streams at nats {place} have subjects of `{subject}`: {}; name one in `params.stream`",
                    names.join(", ")
                )))
            }
            (None, _) => Err(NatsError::stream(format!(
                "no stream at nats {place} has the subject `{subject}`; create one: `nats stream add ORDERS --subjects '{subject}'`, or set `params.stream` and `params.create_stream: true`"
            ))),
        }
    }

    fn missing(&self, name: &str) -> NatsError {
        NatsError::stream(format!(
            "there is no stream `{name}` at nats {}; create it: `nats stream add {name} --subjects '{}'`, or set `params.create_stream: true`",
            self.link.place, self.wanted.subject
        ))
    }

    async fn create_stream(&self, name: &str) -> Result<stream::Info, NatsError> {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: vec![self.wanted.subject.clone()],
            storage: stream::StorageType::File,
            num_replicas: 1,
            ..stream::Config::default()
        };
        self.link.ask(format!("STREAM.CREATE.{name}"), &config).await?.map_err(|error| {
            NatsError::refused(&self.link.place, &format!("to create stream `{name}`"), error)
        })
    }

    async fn consumer(&self, stream: &str) -> Result<Option<consumer::Info>, NatsError> {
        let name = &self.wanted.consumer;
        match self.link.ask(format!("CONSUMER.INFO.{stream}.{name}"), &NOTHING).await? {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND => Ok(None),
            Err(error) => {
                Err(NatsError::refused(&self.link.place, &format!("consumer `{name}`"), error))
            }
        }
    }

    async fn create(&self, stream: &stream::Info) -> Result<consumer::Info, NatsError> {
        let Wanted { consumer, subject, lease, .. } = &self.wanted;
        let name = &stream.config.name;
        let config = pull::Config {
            durable_name: Some(consumer.clone()),
            description: Some("made by kisflow".to_owned()),
            deliver_policy: self.deliver_policy(stream),
            ack_policy: AckPolicy::Explicit,
            ack_wait: *lease,
            // How often a row is tried is for quarantine to say: a row that the server stops
            // delivering would be lost.
            max_deliver: -1,
            // Readers hold no more than their own conf says; the server's 1,000 for all of them
            // together would stop a few.
            max_ack_pending: -1,
            filter_subject: subject.clone(),
            ..pull::Config::default()
        };
        let context = &self.link.context;
        match context.create_consumer_on_stream(config, name).await {
            Ok(made) => Ok(made.cached_info().clone()),
            // Another reader may have been faster.
            Err(error) => self.consumer(name).await?.ok_or_else(|| {
                let what = format!(
                    "to make the consumer `{consumer}` for `{subject}` on stream `{name}`, which has the subjects {:?}",
                    stream.config.subjects
                );
                NatsError::refused(&self.link.place, &what, error)
            }),
        }
    }

    /// Where a consumer begins: as the conf says, or where the group was when it lost its
    /// consumer. In a stream that was made since, everything is new.
    fn deliver_policy(&self, stream: &stream::Info) -> DeliverPolicy {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (known, &self.wanted.begin) {
            (Some(known), _) if known.created != stream.created => DeliverPolicy::All,
            (Some(Known { floor, .. }), _) if floor > 0 => from(floor),
            (_, Begin::First) => DeliverPolicy::All,
            (None, Begin::Next) => DeliverPolicy::New,
            (Some(_), Begin::Next) => DeliverPolicy::All,
            (_, Begin::After { sequence, .. }) => from(*sequence),
        }
    }
}

/// Behind a sequence.
fn from(sequence: u64) -> DeliverPolicy {
    DeliverPolicy::ByStartSequence { start_sequence: sequence.saturating_add(1) }
}
