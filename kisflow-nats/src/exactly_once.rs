//! [`DoneRows`]: which rows are done that JetStream may deliver again, for a flow with
//! `guarantee: exactly_once`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{Subject, datetime::DateTime};
use bytes::Bytes;
use kisflow_core::{
    HandedOut, IdRanges, Result, SoleReader, SourceContext, UnconfirmedIds, error_chain,
};

use crate::{error::NatsError, shelf::Fetched};

/// The rows that are done and whose acknowledgement the server has not confirmed, by their sequences.
///
/// JetStream does not say which reader had a row before, so one process at a time reads for a flow.
/// It keeps these sequences as a position, whose part is the stream with the time at which it was
/// created. A reader that takes over first keeps the position unchanged: the one before it can commit
/// nothing from then on.
pub(crate) struct DoneRows {
    context: SourceContext,
    /// What is read, once it has begun.
    reading: Mutex<Option<Reading>>,
}

/// One stream, as this reader reads it.
pub(crate) struct Reading {
    part: Arc<str>,
    unconfirmed: Arc<UnconfirmedIds<u64>>,
    /// What readers before this one have done.
    before: IdRanges<u64>,
    /// The same among the rows that are not confirmed.
    handed_out: HandedOut<u64>,
}

/// How a delivery is kept.
pub(crate) struct KeptDelivery {
    pub(crate) part: Arc<str>,
    pub(crate) position: Bytes,
    pub(crate) handed_out: HandedOut<u64>,
}

impl DoneRows {
    pub(crate) fn new(context: SourceContext) -> Self {
        Self { context, reading: Mutex::default() }
    }

    /// The part of a stream.
    pub(crate) fn part(stream: &str, created: DateTime) -> Arc<str> {
        format!("{stream} {created}").into()
    }

    /// Waits until no other process reads for the flow.
    pub(crate) async fn sole_reader(&self, lease: Duration) -> Result<SoleReader, NatsError> {
        self.context.sole_reader(lease).await.map_err(|error| unkept(&*error))
    }

    /// Whether rows of the stream have been read under this guarantee.
    pub(crate) async fn has_begun(&self, part: &str) -> Result<bool, NatsError> {
        let position = self.context.positions().load(part).await;
        Ok(position.map_err(|error| unkept(&*error))?.is_some())
    }

    /// Takes over from the reader before this one. No row of another stream may wait to be handed
    /// out.
    pub(crate) async fn begin(&self, part: Arc<str>) -> Result<(), NatsError> {
        let positions = self.context.positions();
        let begin = async {
            let found = positions.load(&part).await?;
            let before = match &found {
                Some(position) => IdRanges::from_position(position)?,
                None => IdRanges::default(),
            };
            positions.keep(&part, Some(before.to_position())).await?;
            Ok::<_, kisflow_core::BoxError>(before)
        };
        let before = begin.await.map_err(|error| unkept(&*error))?;
        let unconfirmed = Arc::<UnconfirmedIds<u64>>::default();
        let (handed_out, _) = unconfirmed.hand_out(before.clone());
        *self.reading() = Some(Reading { part, unconfirmed, before, handed_out });
        Ok(())
    }

    /// Whether this stream is being read.
    pub(crate) fn reads(&self, part: &str) -> bool {
        self.reading().as_ref().is_some_and(|reading| *reading.part == *part)
    }

    pub(crate) fn reading(&self) -> MutexGuard<'_, Option<Reading>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the rows that are done, and returns where to acknowledge them.
    pub(crate) fn take_done(&self, rows: &mut Vec<Fetched>) -> Vec<Subject> {
        let reading = self.reading();
        let is_done = |row: &Fetched| {
            reading.as_ref().is_some_and(|reading| reading.before.contains(&row.sequence))
        };
        let done: Vec<Subject> =
            rows.iter().filter(|row| is_done(row)).map(|row| row.reply.clone()).collect();
        rows.retain(|row| !is_done(row));
        self.context.count_repeated(done.len());
        done
    }

    /// The server delivers nothing again up to this sequence.
    pub(crate) fn acknowledged_to(&self, floor: u64) {
        if let Some(reading) = &*self.reading()
            && reading.before.bounds().is_some_and(|(_, last)| last <= floor)
        {
            reading.handed_out.confirm();
        }
    }
}

impl Reading {
    /// Records the rows of a delivery, in the order in which they are handed out.
    pub(crate) fn hand_out(&self, rows: &[Fetched]) -> KeptDelivery {
        let mut ids = IdRanges::default();
        for rows in rows.chunk_by(|row, next| row.is_before(next)) {
            if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
                ids.insert(first.sequence, last.sequence);
            }
        }
        let (handed_out, position) = self.unconfirmed.hand_out(ids);
        KeptDelivery { part: self.part.clone(), position, handed_out }
    }
}

/// Which rows are done cannot be read or kept.
fn unkept(error: &(dyn std::error::Error + 'static)) -> NatsError {
    NatsError::store(format!("which rows are done cannot be read or kept: {}", error_chain(error)))
}
