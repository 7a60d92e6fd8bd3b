//! Being told to stop while rows are worked on.

use kisflow_core::{CancellationToken, termination};

/// Cancelled when somebody wants the command to end: what runs is finished. A second time the process
/// ends at once.
pub(crate) fn told_to_stop() -> CancellationToken {
    let told = CancellationToken::new();
    let stop = told.clone();
    tokio::spawn(async move {
        termination().await;
        stop.cancel();
    });
    told
}
