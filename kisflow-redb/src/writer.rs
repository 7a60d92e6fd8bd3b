//! [`Writer`]: writes that wait at the same time share one transaction, and its sync of the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kisflow_core::{
    Record,
    durable::{Change, Commit},
};
use redb::{Error, WriteTransaction};
use tokio::sync::{Mutex as Turn, Semaphore, oneshot};

use crate::{
    durable::{self, Committed},
    error::RedbError,
    file::StoreFile,
    storage,
    worker::Worker,
};

/// The most writes that share a transaction; further ones wait with their callers.
const MOST_WRITES: usize = 64;

/// The most bytes of a value, well below redb's limit: a value that cannot be written must be
/// refused before it shares a transaction, because the others would fail with it.
const MOST_BYTES: usize = 1 << 30;

/// Changes that are written atomically.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Each by itself: one that is refused does not keep the others from taking effect.
    Commits(Vec<Commit>),
    Put(Vec<Record>),
    Remove(Vec<String>),
}

impl Work {
    /// The key of a value that is too large, if there is one.
    pub(crate) fn too_large(&self) -> Option<String> {
        let is_large = |value: &[u8]| value.len() > MOST_BYTES;
        match self {
            Self::Commits(commits) => commits.iter().find_map(|commit| {
                let put = commit.changes().filter_map(|(key, change)| match change {
                    Change::Put(value) => Some((key, value)),
                    Change::Remove | Change::Add { .. } => None,
                });
                let mut values = put.chain(commit.appends());
                values.find(|(_, value)| is_large(value)).map(|(key, _)| key.to_string())
            }),
            Self::Put(records) => records
                .iter()
                .find(|record| {
                    let mut texts = record.fields.iter().filter_map(|(_, text)| text.as_ref());
                    texts.any(|text| is_large(text.as_bytes()))
                })
                .map(|record| record.key.clone()),
            Self::Remove(_) => None,
        }
    }

    /// Returns the result of each commit.
    pub(crate) fn apply(&self, write: &WriteTransaction) -> Result<Vec<Committed>, Error> {
        match self {
            Self::Commits(commits) => durable::apply(write, commits),
            Self::Put(records) => storage::put(write, records).map(|()| Vec::new()),
            Self::Remove(keys) => storage::remove(write, keys).map(|()| Vec::new()),
        }
    }
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Written>,
}

/// Writes to the file, one transaction at a time.
///
/// The first caller in the queue writes what all callers have queued, on a thread that holds nothing
/// between two transactions: the file is closed with its last owner.
pub(crate) struct Writer {
    file: Arc<StoreFile>,
    places: Semaphore,
    queue: Arc<Mutex<Vec<Job>>>,
    turn: Arc<Turn<()>>,
    worker: Worker,
}

impl Writer {
    pub(crate) fn new(file: Arc<StoreFile>, worker: Worker) -> Self {
        Self {
            file,
            worker,
            places: Semaphore::new(MOST_WRITES),
            queue: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Writes, and returns when it is on the disk.
    pub(crate) async fn write(&self, work: Work) -> Written {
        if let Some(key) = work.too_large() {
            return Err(RedbError::too_large(self.file.path(), &key));
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
        let writing = self.worker.run(move || {
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

/// The result of each commit of a job.
type Written = Result<Vec<Committed>, RedbError>;

type Answer = (oneshot::Sender<Written>, Written);

/// Writes jobs in their order, in one transaction.
fn commit(file: &StoreFile, jobs: Vec<Job>) -> Vec<Answer> {
    let jobs: Vec<Job> = jobs.into_iter().filter(|job| !job.reply.is_closed()).collect();
    let done = file.write(|write| {
        jobs.iter().map(|job| job.work.apply(write)).collect::<Result<Vec<_>, Error>>()
    });
    match done {
        Ok(done) => jobs.into_iter().zip(done).map(|(job, done)| (job.reply, Ok(done))).collect(),
        Err(error) => jobs.into_iter().map(|job| (job.reply, Err(error.clone()))).collect(),
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
