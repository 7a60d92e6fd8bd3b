//! [`Shutdown`]: when serving stops.

use std::{
    fmt,
    future::pending,
    sync::{Arc, Mutex, PoisonError},
};

use crate::caas::BoxFuture;

/// When [`Flows::serve`](crate::Flows::serve) stops. When a first future completes, it stops
/// reading and finishes what it has read within the grace time; when a second one completes, it
/// gives back at once what is not done.
///
/// Any future is a `Shutdown` without the second step; [`termination`] listens to the process's
/// signals.
///
/// ```
/// use std::time::Duration;
///
/// use kisflow_core::{CancellationToken, Shutdown};
///
/// let stop = CancellationToken::new();
/// let shutdown = Shutdown::when(stop.clone().cancelled_owned()).at_once_when(async move {
///     stop.cancelled().await;
///     tokio::time::sleep(Duration::from_secs(2)).await;
/// });
/// # drop(shutdown);
/// ```
#[must_use = "a shutdown does nothing unless it is passed to `Flows::serve`"]
pub struct Shutdown<'a> {
    pub(super) drain: BoxFuture<'a, ()>,
    pub(super) at_once: BoxFuture<'a, ()>,
}

impl<'a> Shutdown<'a> {
    /// Stops reading when `drain` completes.
    pub fn when(drain: impl Future<Output = ()> + Send + 'a) -> Self {
        Self { drain: Box::pin(drain), at_once: Box::pin(pending()) }
    }

    /// Ends the grace time when `at_once` completes. It is polled only after the first step.
    pub fn at_once_when(mut self, at_once: impl Future<Output = ()> + Send + 'a) -> Self {
        self.at_once = Box::pin(at_once);
        self
    }
}

impl<'a, F: Future<Output = ()> + Send + 'a> From<F> for Shutdown<'a> {
    fn from(drain: F) -> Self {
        Self::when(drain)
    }
}

impl fmt::Debug for Shutdown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shutdown").finish_non_exhaustive()
    }
}

/// A shutdown by the process's signals, for [`Flows::serve`](crate::Flows::serve) in a `main`: the
/// first SIGTERM or ctrl-c stops reading, a second one ends the grace time.
///
/// The signal handlers are installed when serving begins, and stay for the life of the process:
/// from then on a signal does not end the process by itself.
///
/// ```no_run
/// # async fn example(flows: kisflow_core::Flows) -> Result<(), kisflow_core::ServeError> {
/// let served = flows.serve(kisflow_core::termination()).await?;
/// println!("{served}");
/// # Ok(())
/// # }
/// ```
pub fn termination() -> Shutdown<'static> {
    // One listener for both steps: a second signal that follows at once is not missed.
    let listener = Arc::<Mutex<Option<Signals>>>::default();
    let handed_on = listener.clone();
    let first = async move {
        let mut signals = Signals::listen();
        signals.next().await;
        *handed_on.lock().unwrap_or_else(PoisonError::into_inner) = Some(signals);
    };
    let second = async move {
        let signals = listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        match signals {
            Some(mut signals) => signals.next().await,
            None => pending().await,
        }
    };
    Shutdown::when(first).at_once_when(second)
}

/// SIGTERM and ctrl-c.
struct Signals {
    /// A signal without a handler ends the process, which loses no rows either.
    #[cfg(unix)]
    handlers: Vec<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};

        let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
        Self { handlers: kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect() }
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        match self.handlers.as_mut_slice() {
            [] => pending().await,
            [one] => drop(one.recv().await),
            [terminate, interrupt, ..] => tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            },
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            pending().await
        }
    }
}
