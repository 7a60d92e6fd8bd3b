//! [`Worker`]: a thread that may block.

use std::{
    error::Error,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Sender, channel},
    thread,
};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that may block, and does one thing after the other. It is not of tokio's pool for
/// blocking work, whose threads users' functions may hold. It ends when this is dropped, after what
/// it was given.
pub(crate) struct Worker {
    jobs: Sender<Job>,
}

/// The work panicked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("its thread panicked")
    }
}

impl Error for Panicked {}

impl Worker {
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let (jobs, received) = channel::<Job>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for job in received {
                // Its caller notices; the next job is none the worse for it.
                drop(catch_unwind(AssertUnwindSafe(job)));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Does it on the thread. Work whose future is dropped is done nevertheless.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (reply, answer) = oneshot::channel();
        // Who has stopped waiting needs no answer.
        let job = move || drop(reply.send(work()));
        self.jobs.send(Box::new(job)).map_err(|_| Panicked)?;
        answer.await.map_err(|_| Panicked)
    }
}
