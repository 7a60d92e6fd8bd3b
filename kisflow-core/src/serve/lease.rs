//! Leases of deliveries, renewed while their rows are in progress.

use std::time::Duration;

use metrics::Counter;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use crate::{error::error_chain, source::Receipt};

/// Renews a lease, again and again, until this is dropped. Counts it in `lost` if it runs out.
pub(super) async fn renew(flow: &str, receipt: &dyn Receipt, lease: Duration, lost: &Counter) {
    let mut renewed = Instant::now();
    let mut is_lost = false;
    loop {
        sleep(lease / 3).await;
        let result = timeout(lease, receipt.renew()).await;
        let result = result.unwrap_or_else(|_| Err("it takes longer than the lease".into()));
        // One that was renewed too late may have been taken over before.
        if renewed.elapsed() > lease && !is_lost {
            is_lost = true;
            lost.increment(1);
            warn!(flow, ?lease, "a lease ran out: others may get its rows as well");
        }
        match result {
            Ok(()) => renewed = Instant::now(),
            Err(error) => {
                let error = error_chain(&*error).to_string();
                debug!(flow, error, "a lease could not be renewed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;
    use crate::{Result, Settled, async_trait};

    const LEASE: Duration = Duration::from_secs(30);

    /// Refuses so many renewals, and takes this long for each.
    struct Stubborn {
        refusals: AtomicU64,
        takes: Duration,
    }

    #[async_trait]
    impl Receipt for Stubborn {
        fn position(&self, row: usize) -> String {
            row.to_string()
        }

        async fn done(&self, _: &Settled) -> Result<()> {
            Ok(())
        }

        async fn renew(&self) -> Result<()> {
            sleep(self.takes).await;
            let left = |left: u64| left.checked_sub(1);
            match self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) {
                Ok(_) => Err("not now".into()),
                Err(_) => Ok(()),
            }
        }
    }

    /// How many leases are lost in ten times their length.
    async fn lost(refusals: u64, takes: Duration) -> u64 {
        let receipt = Stubborn { refusals: refusals.into(), takes };
        let lost = Arc::<AtomicU64>::default();
        let counter = Counter::from_arc(lost.clone());
        timeout(LEASE * 10, renew("Orders", &receipt, LEASE, &counter)).await.unwrap_err();
        lost.load(Ordering::SeqCst)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_lost_once_if_it_runs_out_before_it_is_renewed() {
        assert_eq!(lost(0, Duration::ZERO).await, 0);
        assert_eq!(lost(2, Duration::ZERO).await, 0, "the third renewal is in time");
        assert_eq!(lost(3, Duration::ZERO).await, 1);
        assert_eq!(lost(u64::MAX, Duration::ZERO).await, 1);
        assert_eq!(lost(0, LEASE).await, 1, "each renewal comes too late");
        assert_eq!(lost(0, LEASE * 100).await, 1, "the first renewal hangs");
    }
}
