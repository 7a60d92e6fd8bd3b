//! What tells a process to stop.

/// Completes when the process is told to stop: by SIGTERM, or by ctrl-c. What
/// [`Flows::serve`](crate::Flows::serve) takes in a `main`.
///
/// A second signal ends the process at once, without waiting for what it works on: nothing is lost,
/// what was not acknowledged comes again.
///
/// ```no_run
/// # async fn example(flows: kisflow_core::Flows) -> Result<(), kisflow_core::ServeError> {
/// let served = flows.serve(kisflow_core::termination()).await?;
/// println!("{served}");
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Cancel safe; but once it has been polled, ctrl-c no longer ends the process by itself.
pub async fn termination() {
    signal().await;
    tokio::spawn(async {
        signal().await;
        tracing::warn!("told to stop a second time: the process ends at once");
        std::process::exit(130);
    });
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        // Without a handler the signal ends the process: nothing is lost by that either.
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = terminate.recv() => {}
        Ok(()) = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
