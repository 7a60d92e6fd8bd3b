//! [`Progress`]: a bar on standard error, if somebody watches.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::{Fed, per_second};

/// A bar on standard error, if somebody watches; it is gone when it is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// `size` is that of the input in bytes, where it is known.
    pub(super) fn new(size: Option<u64>, watched: bool) -> Self {
        let template = match size {
            Some(_) => "{wide_bar} {msg}, {eta} left",
            None => "{spinner} {msg}",
        };
        let target = match watched {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(size, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if watched {
            // A run may take long: the time left goes on.
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, begun: Instant::now() }
    }

    /// `read` are the bytes that have been read.
    pub(super) fn update(&self, fed: &Fed, read: u64) {
        let elapsed = self.begun.elapsed();
        let speed = per_second(fed.rows_in(), elapsed) as u64;
        let [rows, speed, rejected] = [fed.rows_in(), speed, fed.rejected()].map(HumanCount);
        self.bar.set_message(format!("{rows} rows, {speed}/s, {rejected} rejected"));
        self.bar.set_position(read);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
