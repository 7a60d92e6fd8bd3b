//! Two sides, run in turn in many rounds, so that what else the machine does falls on both.

use std::time::{Duration, Instant};

use crate::support::median;

/// How long each side ran in a round, per unit of work, in nanoseconds.
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
}

/// Runs both sides in turn, each for about `slice` a round, and takes the median of each. `ours`
/// and `theirs` do so many pieces of work, each of `units` units (rows, runs).
pub(crate) fn interleave(
    units: usize,
    slice: Duration,
    rounds: usize,
    mut ours: impl FnMut(u32),
    mut theirs: impl FnMut(u32),
) -> Pair {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    // The first round warms both sides up and is not counted.
    for round in 0..=rounds {
        let (first, second) = match round % 2 {
            0 => {
                let first = time(slice, &mut ours);
                (first, time(slice, &mut theirs))
            }
            _ => {
                let second = time(slice, &mut theirs);
                (time(slice, &mut ours), second)
            }
        };
        if round > 0 {
            a.push(first / units as f64);
            b.push(second / units as f64);
        }
    }
    Pair { ours: median(a), theirs: median(b) }
}

/// Nanoseconds of one piece of work.
fn time(slice: Duration, work: &mut impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    let mut times = 0_u32;
    while start.elapsed() < slice {
        // The clock is read once for many pieces: one may take less time than reading it.
        work(8);
        times += 8;
    }
    start.elapsed().as_nanos() as f64 / f64::from(times)
}
