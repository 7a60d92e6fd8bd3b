//! Pauses that double and are jittered.

use std::time::Duration;

/// The pause before repetition `attempt` (from 1): doubles from `base` up to `cap`, and is randomly
/// between half and all of that, so that what failed together is not repeated together.
pub(crate) fn pause(base: Duration, attempt: u32, cap: Duration) -> Duration {
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let full = base.saturating_mul(factor).min(cap);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The pauses of something that is tried until it works.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    const BASE: Duration = Duration::from_millis(50);
    const CAP: Duration = Duration::from_secs(10);

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        pause(Self::BASE, self.attempts, Self::CAP)
    }

    /// The number of pauses since the last success.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns whether to report the next pause: less and less often while the failure lasts.
    pub(crate) fn is_told(&self) -> bool {
        self.attempts == 0 || self.attempts.is_power_of_two()
    }

    /// Records a success.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    #[test]
    fn people_are_told_less_and_less_often() {
        let mut backoff = Backoff::default();
        let told = (0..20).filter(|_| (backoff.is_told(), backoff.next()).0).collect::<Vec<_>>();
        assert_eq!(told, [0, 1, 2, 4, 8, 16]);
    }
}
