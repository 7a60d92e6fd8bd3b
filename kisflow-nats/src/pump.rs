//! [`Pump`]: the task that asks the server for rows and lays them on the shelf. A pull that is on
//! its way stays here, whatever becomes of the futures of `next`.

mod message;
mod standby;

use std::{sync::Arc, time::Duration};

use async_nats::{
    Message, Subject, Subscriber,
    jetstream::{
        AckKind,
        consumer::{PullConsumer, pull::BatchConfig},
    },
};
use futures_util::{FutureExt, StreamExt};
use kisflow_core::SoleReader;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::message::{Numbers, fetched, pull_of};
use crate::{
    error::NatsError,
    exactly_once::DoneRows,
    group::Group,
    hold::{Hold, HoldStep},
    link::Link,
    shelf::Shelf,
};

/// How long the server keeps a pull that it cannot fulfil. A pull cannot be taken back, and rows
/// that the server sends when nobody listens any more are nobody's until their lease is over: who
/// closes waits for the end of the pull, so this is as long as closing takes at most.
const EXPIRES: Duration = Duration::from_secs(1);
/// The pause after a failure; it doubles while nothing comes in between.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Asks the server for rows, one pull after the other, and lays them on the shelf.
pub(crate) struct Pump {
    link: Arc<Link>,
    group: Arc<Group>,
    shelf: Arc<Shelf>,
    lease: Duration,
    consumer: PullConsumer,
    /// Where the answers to pulls go: pull 7 to `<inbox>.7`.
    inbox: String,
    subscription: Subscriber,
    pulls: u64,
    pull: Option<Pull>,
    /// When rows on the shelf are looked at for their lease.
    renew_at: Instant,
    pause: Duration,
    is_ordered: bool,
    /// What keeps it from new rows, if they are to keep their order.
    hold: Option<Hold>,
    /// Which rows are done, under `guarantee: exactly_once`.
    done: Option<Arc<DoneRows>>,
    /// The right to read, under the same.
    sole: Option<SoleReader>,
    /// Where rows are to be acknowledged that are done.
    repeated: Vec<Subject>,
    /// Rows of this pull, and of those before it, are not wanted any more.
    past: u64,
    numbers: Numbers,
}

/// A pull that is on its way.
struct Pull {
    number: u64,
    /// How many rows are still to come.
    left: usize,
    /// When it is over, if the server lives.
    end: Instant,
}

impl Pump {
    pub(crate) async fn new(
        group: Arc<Group>,
        shelf: Arc<Shelf>,
        lease: Duration,
        consumer: PullConsumer,
        is_ordered: bool,
        done: Option<Arc<DoneRows>>,
    ) -> Result<Self, NatsError> {
        let link = group.link.clone();
        let inbox = link.client.new_inbox();
        let subscription = link
            .client
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|error| NatsError::refused(&link.place, "a subscription", error))?;
        Ok(Self {
            link,
            group,
            shelf,
            lease,
            consumer,
            inbox,
            subscription,
            pulls: 0,
            pull: None,
            renew_at: Instant::now() + lease / 3,
            pause: PAUSE,
            is_ordered,
            hold: is_ordered.then(|| Hold::new(lease)),
            done,
            sole: None,
            repeated: Vec::new(),
            past: 0,
            numbers: Numbers::default(),
        })
    }

    /// Fetches until it is told to stop. Then it takes what is on its way, and ends.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = self.work() => {}
            () = stop => {}
        }
        let link = self.link.clone();
        let finishing = link.unless_lost(link.connects(), self.finish());
        _ = timeout(EXPIRES + link.limit, finishing).await;
        if let Some(sole) = self.sole.take() {
            sole.release().await;
        }
    }

    /// Takes what the pull on its way still brings.
    async fn finish(&mut self) -> Result<(), NatsError> {
        while self.pull.is_some()
            && let Some(message) = self.subscription.next().await
        {
            self.receive(message)?;
        }
        // Closing gives back what is on the shelf.
        if let Some(hold) = self.hold.take() {
            self.shelf.put(hold.into_rows());
        }
        Ok(())
    }

    async fn work(&mut self) {
        while let Err(trouble) = self.begin().await {
            self.shelf.fail(trouble);
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        loop {
            let trouble = self.fetch().await;
            self.shelf.fail(trouble);
            self.mend().await;
            self.shelf.mended();
        }
    }

    /// Waits for the connection, and makes sure of the consumer.
    async fn mend(&mut self) {
        self.pull = None;
        let away_since = Instant::now();
        loop {
            let mut state = self.link.state.clone();
            while state.borrow_and_update().lost {
                if let Err(trouble) = self.link.there() {
                    self.shelf.fail(trouble);
                }
                // The sender lives as long as the client.
                if let Ok(Err(_)) = timeout(self.lease, state.changed()).await {
                    break;
                }
                self.give_way(away_since);
            }
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            match self.group.attach().await {
                Ok(consumer) => {
                    self.numbers.begin_anew();
                    if consumer.cached_info().created != self.consumer.cached_info().created {
                        match self.reads_on() {
                            // The new one delivers the same rows.
                            true => self.drop_rows(),
                            // What this reader has, it cannot settle with another consumer.
                            false => {
                                self.repeated.clear();
                                self.shelf.forget();
                            }
                        }
                    }
                    self.consumer = consumer;
                    if self.is_standby() {
                        if let Err(trouble) = self.begin().await {
                            self.shelf.fail(trouble);
                            continue;
                        }
                    } else if let Err(trouble) = self.group.check_end() {
                        self.shelf.fail(trouble);
                        continue;
                    }
                    if self.is_ordered {
                        // Rows may have been on their way when the connection broke, and come before
                        // those that are here.
                        self.shelf.drop_all();
                        if let Some(hold) = self.hold.replace(Hold::new(self.lease)) {
                            self.shelf.let_go(hold.into_rows().iter().map(|row| row.sequence));
                        }
                    }
                    return;
                }
                Err(trouble) => {
                    self.shelf.fail(trouble);
                    self.give_way(away_since);
                }
            }
        }
    }

    /// Fetches until something breaks, and says what.
    async fn fetch(&mut self) -> NatsError {
        let connects = self.link.connects();
        let mut state = self.link.state.clone();
        loop {
            if let Err(trouble) = self.link.there() {
                return trouble;
            }
            if self.link.connects() != connects {
                // It is there again, but the pull went with the connection before.
                return NatsError::unsure(&self.link.place);
            }
            self.give_way(Instant::now());
            if self.is_standby() {
                return NatsError::store(
                    "the lease of the reader could not be renewed, and another process may read",
                );
            }
            if !self.repeated.is_empty() {
                let repeated = std::mem::take(&mut self.repeated);
                if let Err(trouble) = self.link.tell(&repeated, AckKind::Ack).await {
                    return trouble;
                }
            }
            if self.shelf.takes_gap() {
                return NatsError::unsure(&self.link.place);
            }
            if self.pull.is_none()
                && let Some(rows) = self.shelf.wanted()
                && let Err(trouble) = self.ask_in_order(rows).await
            {
                return trouble;
            }
            let end = self.pull.as_ref().map(|pull| pull.end);
            let look_at = self.hold.as_ref().map(|hold| hold.look_at);
            let look_at = look_at.filter(|at| end.is_none() && *at > Instant::now());
            let next = [end, look_at].into_iter().flatten().fold(self.renew_at, Instant::min);
            tokio::select! {
                // What has come counts before what has not come in time.
                biased;
                message = self.subscription.next() => match message {
                    None => return NatsError::away(&self.link.place, None),
                    Some(message) => if let Err(trouble) = self.receive(message) {
                        return trouble;
                    },
                },
                () = self.shelf.room.notified() => {}
                _ = state.changed() => {}
                () = sleep_until(next) => {
                    if end.is_some_and(|end| end <= Instant::now()) {
                        return NatsError::silent(&self.link.place, "a pull", self.link.limit);
                    }
                    if let Err(trouble) = self.renew().await {
                        return trouble;
                    }
                }
            }
        }
    }

    /// Asks for rows, unless older ones have to come first.
    async fn ask_in_order(&mut self, rows: usize) -> Result<(), NatsError> {
        let Some(hold) = &mut self.hold else { return self.ask(rows).await };
        if hold.look_at > Instant::now() {
            return Ok(());
        }
        match hold.step(self.group.unacknowledged().await?, rows) {
            HoldStep::Wait => Ok(()),
            HoldStep::Gather(pending) => self.ask(pending).await,
            HoldStep::Over => {
                let gathered = self.hold.take().map(Hold::into_rows).unwrap_or_default();
                match gathered.is_empty() {
                    true => self.ask(rows).await,
                    false => {
                        self.shelf.put(gathered);
                        Ok(())
                    }
                }
            }
        }
    }

    async fn ask(&mut self, rows: usize) -> Result<(), NatsError> {
        self.pulls += 1;
        let inbox = Subject::from(format!("{}.{}", self.inbox, self.pulls));
        let batch = BatchConfig { batch: rows, expires: Some(EXPIRES), ..BatchConfig::default() };
        let (place, limit) = (&self.link.place, self.link.limit);
        // In an outage the client's queue may be full.
        timeout(limit, self.consumer.request_batch(batch, inbox))
            .await
            .map_err(|_| NatsError::silent(place, "a pull", limit))?
            .map_err(|error| NatsError::refused(place, "a pull", error))?;
        self.pull =
            Some(Pull { number: self.pulls, left: rows, end: Instant::now() + EXPIRES + limit });
        Ok(())
    }

    /// A message, and all that came with it.
    fn receive(&mut self, message: Message) -> Result<(), NatsError> {
        let now = Instant::now();
        let mut rows = Vec::new();
        let mut next = Some(message);
        let mut said = Ok(());
        while let Some(message) = next {
            match message.status {
                None if pull_of(&message).is_some_and(|number| number <= self.past) => {}
                None => rows.extend(fetched(message, now)),
                Some(_) => said = self.word(&message),
            }
            // More than a batch at once would only be rows of a pull before a reconnect.
            next = match said {
                Ok(()) => self.subscription.next().now_or_never().flatten(),
                Err(_) => None,
            };
        }
        if let Some(pull) = &mut self.pull {
            pull.left = pull.left.saturating_sub(rows.len());
            if pull.left == 0 {
                self.pull = None;
            }
        }
        if !rows.is_empty() {
            self.pause = PAUSE;
        }
        rows.iter_mut().for_each(|row| self.numbers.count(row));
        let mut rows = self.shelf.only_new(rows);
        if let Some(done) = &self.done {
            // In this order: what is settled meanwhile is done before it is let go of.
            let repeated = done.take_done(&mut rows);
            self.shelf.let_go(repeated.iter().map(|(sequence, _)| *sequence));
            self.repeated.extend(repeated.into_iter().map(|(_, reply)| reply));
        }
        match &mut self.hold {
            Some(hold) => hold.gather(rows),
            None => self.shelf.put(rows),
        }
        said
    }

    /// A word of the server on a pull.
    fn word(&mut self, message: &Message) -> Result<(), NatsError> {
        let place = &self.link.place;
        let description = message.description.as_deref().unwrap_or_default();
        let number = pull_of(message);
        let current = self.pull.as_ref().is_some_and(|pull| Some(pull.number) == number);
        match message.status.map_or(0, |status| status.as_u16()) {
            // Of a pull that is past.
            _ if !current => Ok(()),
            404 | 408 => {
                self.pull = None;
                Ok(())
            }
            503 => Err(self.gone()),
            _ if description.eq_ignore_ascii_case("consumer deleted") => Err(self.gone()),
            status => Err(NatsError::refused(place, "a pull", format!("{status} {description}"))),
        }
    }

    fn gone(&self) -> NatsError {
        let info = self.consumer.cached_info();
        NatsError::gone(&self.link.place, &info.stream_name, &info.name)
    }

    /// Asks for another lease for what lies on the shelf.
    async fn renew(&mut self) -> Result<(), NatsError> {
        let third = self.lease / 3;
        let now = Instant::now();
        if self.renew_at > now {
            return Ok(());
        }
        self.renew_at = now + third / 2;
        if let Some(done) = &self.done {
            done.acknowledged_to(self.group.floor());
        }
        let Some(then) = now.checked_sub(third) else { return Ok(()) };
        let mut due = self.shelf.renew(then);
        due.extend(self.hold.iter_mut().flat_map(|hold| hold.renew(then)));
        self.link.tell(&due, AckKind::Progress).await
    }
}
