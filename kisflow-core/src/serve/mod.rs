//! [`Flows::serve`]: flows that run by themselves, each fed by its source.

mod commits;
mod delivery;
mod isolate;
mod lanes;
mod lease;
mod ledger;
mod names;
mod outage;
mod piece;
mod provenance;
mod reader;
mod room;
mod rounds;
mod served;
mod shutdown;
mod supervisor;
mod wait;
mod waiting;
mod waiting_worker;

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    fmt,
    sync::Arc,
};

use futures_util::{FutureExt, future::FusedFuture, poll};
use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

pub(crate) use self::ledger::Books;
use self::supervisor::Supervisor;
pub use self::{
    ledger::Ledger,
    served::{Served, ServedFlow, ServedOutcome},
    shutdown::{Shutdown, termination},
};
use crate::{error::error_chain, flow::Flows, source::SharedByType};

impl Flows {
    /// Runs every flow that has a source, until `shutdown` completes (any future, or a
    /// [`Shutdown`]), or every source has ended and no row waits in the store; see [`termination`].
    ///
    /// Rows are read in batches while there is room for another (`in_flight`), run through the
    /// flow, and acknowledged when each is delivered, filtered, or safely in the store. A failed
    /// batch is split until the rows that cannot be processed are isolated. While a connector of
    /// the flow is away, its batches wait. Rows for which a function says that something is
    /// [`Unavailable`](crate::Unavailable) wait as well, after a while in the store, from which they
    /// are tried again. One flow never waits for another.
    ///
    /// On shutdown it stops reading, works on what it has read for the global conf's `grace_ms`,
    /// and gives the rest back.
    ///
    /// # Errors
    ///
    /// When no flow has a source; when positions of a flow are in another store than the conf
    /// names, so that the flow would start from the beginning; or when the flows are being served
    /// already, because two readers of one flow would each take rows and share one ledger. Later
    /// failures are logged, counted, and reported by [`health`](Self::health); they do not end
    /// serving.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops everything at once, as killing the process would: nothing is lost,
    /// and unacknowledged rows are redelivered.
    pub async fn serve<'a>(&self, shutdown: impl Into<Shutdown<'a>>) -> Result<Served, ServeError> {
        let Some(_serving) = self.begin_serving() else {
            return Err(ServeError { kind: Kind::Already });
        };
        let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
        let Shutdown { drain, at_once: at_once_requested } = shutdown.into();
        let (mut drain, mut at_once_requested) = (drain.fuse(), at_once_requested.fuse());
        // The first poll installs the signal handlers: before any source is opened.
        if poll!(&mut drain).is_ready() {
            stop.cancel();
        }
        let look = async {
            for why in self.weak_stores().await.unwrap_or_default() {
                warn!("{why}");
            }
            self.positions_elsewhere().await
        };
        // A store that does not answer must not keep anybody from telling the flows to stop.
        let elsewhere = tokio::select! {
            biased;
            () = &mut drain, if !drain.is_terminated() => {
                stop.cancel();
                Ok(Vec::new())
            }
            elsewhere = look => elsewhere,
        };
        match elsewhere {
            Ok(elsewhere) if elsewhere.is_empty() => {}
            Ok(elsewhere) => return Err(ServeError { kind: Kind::Elsewhere(elsewhere) }),
            // The flows wait for the store, each by itself.
            Err(error) => {
                let error = error_chain(&*error).to_string();
                warn!(error, "it is not known which flows have a position");
            }
        }
        let shared = Arc::<SharedByType>::default();
        let mut tasks = JoinSet::new();
        let mut names = HashMap::new();
        for flow in self.iter() {
            if let Some(supervisor) = Supervisor::new(self, flow, &shared, &stop, &at_once) {
                self.books().insert(flow.name().to_owned(), supervisor.books.clone());
                let task = tasks.spawn(supervisor.run());
                names.insert(task.id(), flow.name().to_owned());
            }
        }
        if tasks.is_empty() {
            return Err(ServeError { kind: Kind::NoSource });
        }
        // For the metrics: what is there from before. A store that does not answer must not keep
        // anybody from telling the flows to stop.
        let _shown = self.quarantine().ok().map(|quarantine| {
            let served: HashSet<String> = names.values().cloned().collect();
            AbortOnDropHandle::new(tokio::spawn(async move {
                quarantine.usage().await.ok();
                quarantine.remove_old_markers().await.ok();
                for flow in quarantine.flows_with_waiting().await.unwrap_or_default() {
                    if !served.contains(&flow) {
                        warn!(flow, "rows wait in the store for a flow that is not served");
                    }
                }
            }))
        });
        // Dropped, the set ends its tasks, and they end theirs.
        let mut outcomes = HashMap::new();
        loop {
            let ended = tokio::select! {
                () = &mut drain, if !drain.is_terminated() => {
                    info!("told to stop: reading no more");
                    stop.cancel();
                    continue;
                }
                () = &mut at_once_requested, if drain.is_terminated() && !at_once_requested.is_terminated() => {
                    info!("told to stop at once: what is not done is given back");
                    at_once.cancel();
                    continue;
                }
                ended = tasks.join_next_with_id() => ended,
            };
            match ended {
                None => break,
                Some(Ok((task, outcome))) => outcomes.insert(names.remove(&task), outcome),
                Some(Err(died)) => {
                    outcomes.insert(names.remove(&died.id()), ServedOutcome::Died(died.to_string()))
                }
            };
        }
        let flows = self.ledgers().into_iter().map(|(name, ledger)| {
            let outcome = outcomes.remove(&Some(name.clone())).unwrap_or(ServedOutcome::Stopped);
            let outcome = match outcome {
                ServedOutcome::Stopped if ledger.returned > 0 => ServedOutcome::GaveBack,
                outcome => outcome,
            };
            (name, ServedFlow { ledger, outcome })
        });
        Ok(Served { flows: flows.collect() })
    }
}

/// Why flows could not be served.
pub struct ServeError {
    kind: Kind,
}

enum Kind {
    NoSource,
    Already,
    /// Flows whose positions are in another store.
    Elsewhere(Vec<String>),
}

impl ServeError {
    /// Returns `true` if flows would start from the beginning although another store has their
    /// positions.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.kind, Kind::Elsewhere(_))
    }

    /// Returns `true` if the flows were being served already.
    #[must_use]
    pub fn is_already(&self) -> bool {
        matches!(self.kind, Kind::Already)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match &self.kind {
            Kind::Elsewhere(why) => return formatter.write_str(&why.join("\n")),
            Kind::NoSource => "no flow has a source to be served from; set `source:` in a flow's conf, and `status: 1`",
            Kind::Already => "the flows are being served already; stop that, or load the conf once more",
        })
    }
}

/// A `main` that returns it prints this.
impl fmt::Debug for ServeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Error for ServeError {}
