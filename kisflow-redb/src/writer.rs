//! [`Writer`]: writes that wait at the same time share one transaction, and its sync of the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kisflow_core::{Change, Record};
use redb::{Error, WriteTransaction};
use tokio::{
    sync::{Mutex as Turn, Semaphore, oneshot},
    task::spawn_blocking,
};

use crate::{durable, error::RedbError, file::StoreFile, storage};

/// The most writes that share a transaction; further ones wait with their callers.
const MOST_WRITES: usize = 64;

/// The most bytes of a value, well below redb's limit: a value that cannot be written must be
/// refused before it shares a transaction, because the others would fail with it.
const MOST_BYTES: usize = 1 << 30;

/// Changes that are written atomically.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Changes(Vec<Change>),
    Put(Vec<Record>),
    Remove(Vec<String>),
}

impl Work {
    /// The key of a value that is too large, if there is one.
    pub(crate) fn too_large(&self) -> Option<&str> {
        let is_large = |value: &[u8]| value.len() > MOST_BYTES;
        match self {
            Self::Changes(changes) => changes
                .iter()
                .find(|change| change.value.as_deref().is_some_and(is_large))
                .map(|change| change.key.as_str()),
            Self::Put(records) => records
                .iter()
                .find(|record| {
                    let mut texts = record.fields.iter().filter_map(|(_, text)| text.as_ref());
                    texts.any(|text| is_large(text.as_bytes()))
                })
                .map(|record| record.key.as_str()),
            Self::Remove(_) => None,
        }
    }

    pub(crate) fn apply(&self, write: &WriteTransaction) -> Result<(), Error> {
        match self {
            Self::Changes(changes) => durable::apply(write, changes),
            Self::Put(records) => storage::put(write, records),
            Self::Remove(keys) => storage::remove(write, keys),
        }
    }
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Result<(), RedbError>>,
}

/// Writes to the file, one transaction at a time.
///
/// There is no writing task: the first caller in the queue writes what all callers have queued. So
/// no task has to be stopped, and the file is closed with its last owner.
///
/// Sharing pays: 16 tasks that each wrote one small entry at a time made 31,600 writes per second,
/// and 3,400 with a transaction for each write (two cores, a sync of 0.2 ms).
pub(crate) struct Writer {
    file: Arc<StoreFile>,
    places: Semaphore,
    queue: Arc<Mutex<Vec<Job>>>,
    turn: Arc<Turn<()>>,
}

impl Writer {
    pub(crate) fn new(file: Arc<StoreFile>) -> Self {
        Self {
            file,
            places: Semaphore::new(MOST_WRITES),
            queue: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Writes, and returns when it is on the disk.
    pub(crate) async fn write(&self, work: Work) -> Result<(), RedbError> {
        if let Some(key) = work.too_large() {
            return Err(RedbError::too_large(self.file.path(), key));
        }
        let stopped = |cause| RedbError::stopped(self.file.path(), cause);
        let _place = self.places.acquire().await;
        let (reply, mut answer) = oneshot::channel();
        enqueue(&self.queue, Job { work, reply });
        let turn = self.turn.clone().lock_owned().await;
        if let Ok(answer) = answer.try_recv() {
            return answer;
        }
        let (file, queue) = (self.file.clone(), self.queue.clone());
        let writing = spawn_blocking(move || {
            let jobs = std::mem::take(&mut *lock(&queue));
            let answers = commit(&file, jobs);
            // A caller with its answer may close the file, and open it at once.
            drop(file);
            for (reply, answer) in answers {
                // Who has stopped waiting needs no answer.
                let _ = reply.send(answer);
            }
            drop(turn);
        });
        writing.await.map_err(|cause| RedbError::stopped(self.file.path(), cause))?;
        answer.await.map_err(stopped)?
    }
}

/// Queues a job, and removes jobs whose callers are gone: the queue has at most one job per caller.
fn enqueue(queue: &Mutex<Vec<Job>>, job: Job) {
    let mut queue = lock(queue);
    queue.retain(|job| !job.reply.is_closed());
    queue.push(job);
}

fn lock(queue: &Mutex<Vec<Job>>) -> MutexGuard<'_, Vec<Job>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

type Answer = (oneshot::Sender<Result<(), RedbError>>, Result<(), RedbError>);

/// Writes jobs in their order, in one transaction.
fn commit(file: &StoreFile, jobs: Vec<Job>) -> Vec<Answer> {
    let jobs: Vec<Job> = jobs.into_iter().filter(|job| !job.reply.is_closed()).collect();
    let done = file.write(|write| jobs.iter().try_for_each(|job| job.work.apply(write)));
    jobs.into_iter().map(|job| (job.reply, done.clone())).collect()
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
