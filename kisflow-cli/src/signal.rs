//! Being told to stop by SIGTERM or ctrl-c, and being told twice.

use kisflow_core::CancellationToken;

/// Returns a token that is cancelled by the first signal; a second one ends the process at once.
pub(crate) fn told_to_stop() -> CancellationToken {
    let told = CancellationToken::new();
    let stop = told.clone();
    let mut signals = Signals::new();
    tokio::spawn(async move {
        signals.next().await;
        stop.cancel();
        signals.next().await;
        std::process::exit(130);
    });
    told
}

/// SIGTERM and ctrl-c. While it is there they do not end the process by themselves.
pub(crate) struct Signals {
    #[cfg(unix)]
    signals: Vec<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Installs the handlers. A signal without one ends the process, which loses nothing either.
    #[cfg(unix)]
    pub(crate) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};

        let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
        Self { signals: kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect() }
    }

    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        match self.signals.as_mut_slice() {
            [] => std::future::pending().await,
            [one] => drop(one.recv().await),
            [terminate, interrupt, ..] => tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            },
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
