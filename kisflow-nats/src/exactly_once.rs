//! [`DoneRows`]: which rows are done that JetStream may deliver again, for a flow with
//! `guarantee: exactly_once`.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::{Subject, datetime::DateTime};
use bytes::Bytes;
use kisflow_core::{IdRanges, Result, SoleReader, SourceContext, error_chain};
use tokio::time::Instant;

use crate::{error::NatsError, shelf::Fetched};

/// How long the server may take to write what was acknowledged: an acknowledgement that it forgets
/// when it is killed is redelivered.
const WRITTEN: Duration = Duration::from_secs(180);

/// The rows that are done, by their sequences.
///
/// JetStream does not say which reader had a row before, so one process at a time reads for a flow.
/// It keeps the sequences as a position, whose part is the stream with the time at which it was
/// created. A reader that takes over first keeps the position unchanged: the one before it can commit
/// nothing from then on.
///
/// No sequence is ever left out, because the server writes acknowledgements later than it confirms
/// them. The ranges stay few: rows that the consumer delivers one after the other are one range, and so
/// is all up to where every row was acknowledged some time ago.
pub(crate) struct DoneRows {
    context: SourceContext,
    /// What is read, once it has begun.
    reading: Mutex<Option<CurrentStream>>,
    /// How many deliveries are in progress, whose positions are not durable.
    in_progress: AtomicUsize,
}

/// The stream that this reader reads.
pub(crate) struct CurrentStream {
    part: Arc<str>,
    /// All rows that were handed out, by this reader or one before it. Those of a delivery are durable
    /// with its position, which is kept when they are done.
    handed_out: IdRanges<u64>,
    /// The rows of those whose positions are durable.
    done: IdRanges<u64>,
    /// The last row that was handed out: its epoch, number and sequence, unless it was delivered again.
    last: Option<(u64, u64, u64)>,
    /// Up to where all rows were acknowledged, and when that was seen.
    floor: (u64, Instant),
}

/// How a delivery is kept.
pub(crate) struct KeptDelivery {
    pub(crate) position: Bytes,
    pub(crate) ids: DeliveredIds,
}

/// The rows of a delivery.
pub(crate) struct DeliveredIds {
    pub(crate) part: Arc<str>,
    ids: IdRanges<u64>,
    rows: Arc<DoneRows>,
    /// Whether it does not count as in progress any more.
    is_over: AtomicBool,
}

impl DoneRows {
    pub(crate) fn new(context: SourceContext) -> Self {
        Self { context, reading: Mutex::default(), in_progress: AtomicUsize::new(0) }
    }

    /// Whether a delivery is in progress whose position may still be committed.
    pub(crate) fn has_open_deliveries(&self) -> bool {
        self.in_progress.load(Ordering::Acquire) > 0
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
        // Not `load`: a delivery in progress may keep a position of this part.
        let positions = self.context.positions().peek().await;
        Ok(positions.map_err(|error| unkept(&*error))?.contains_key(part))
    }

    /// Takes over from the reader before this one. No row may wait to be handed out, and none of this
    /// stream may be in progress: what was kept by others would be overwritten.
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
        let (handed_out, done, floor) = (before.clone(), before, (0, Instant::now()));
        *self.reading() = Some(CurrentStream { part, handed_out, done, last: None, floor });
        Ok(())
    }

    /// A stream that ends before rows that are done has lost them, and gives their sequences to others.
    pub(crate) fn check_end(&self, stream: &str, last_sequence: u64) -> Result<(), NatsError> {
        let reading = self.reading();
        let done = reading.as_ref().and_then(|reading| Some(reading.handed_out.bounds()?.1));
        match done.filter(|done| *done > last_sequence) {
            None => Ok(()),
            Some(done) => Err(NatsError::consumer(format!(
                "stream `{stream}` ends at sequence {last_sequence}, and rows up to {done} have been read: its server has lost rows, and new ones would pass for those that are done; begin anew: `positions reset --drop-states`"
            ))),
        }
    }

    /// Whether this stream is being read.
    pub(crate) fn reads(&self, part: &str) -> bool {
        self.reading().as_ref().is_some_and(|reading| *reading.part == *part)
    }

    pub(crate) fn reading(&self) -> MutexGuard<'_, Option<CurrentStream>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the rows that are done, and returns their sequences, and where to acknowledge them.
    pub(crate) fn take_done(&self, rows: &mut Vec<Fetched>) -> Vec<(u64, Subject)> {
        let reading = self.reading();
        let is_done = |row: &Fetched| {
            reading.as_ref().is_some_and(|reading| reading.done.contains(&row.sequence))
        };
        let done = rows.iter().filter(|row| is_done(row));
        let done: Vec<(u64, Subject)> = done.map(|row| (row.sequence, row.reply.clone())).collect();
        rows.retain(|row| !is_done(row));
        self.context.count_repeated(done.len());
        done
    }

    /// Every row up to this sequence is acknowledged, as the server says now.
    pub(crate) fn acknowledged_to(&self, floor: u64) {
        if let Some(reading) = &mut *self.reading() {
            reading.acknowledged_to(floor, Instant::now());
        }
    }
}

impl CurrentStream {
    /// Records the rows of a delivery, in the order in which they are handed out.
    pub(crate) fn hand_out(&mut self, rows: &[Fetched], done: &Arc<DoneRows>) -> KeptDelivery {
        let mut ids = IdRanges::default();
        for row in rows {
            let before = row.sequence.saturating_sub(1);
            let is_next = self.last.filter(|(epoch, number, sequence)| {
                let is_new = !row.is_again && row.epoch == *epoch;
                is_new && row.number == number + 1 && row.sequence > *sequence
            });
            let first = match is_next {
                // No row of the consumer is between the two.
                Some((_, _, last)) => last,
                None if ids.contains(&before) || self.handed_out.contains(&before) => before,
                None => row.sequence,
            };
            ids.insert(first, row.sequence);
            self.last = (!row.is_again).then_some((row.epoch, row.number, row.sequence));
        }
        self.handed_out.extend(&ids);
        done.in_progress.fetch_add(1, Ordering::AcqRel);
        let (part, rows) = (self.part.clone(), done.clone());
        KeptDelivery {
            position: self.handed_out.to_position(),
            ids: DeliveredIds { part, ids, rows, is_over: AtomicBool::new(false) },
        }
    }

    fn acknowledged_to(&mut self, floor: u64, now: Instant) {
        let (then, seen) = self.floor;
        if now.saturating_duration_since(seen) < WRITTEN {
            return;
        }
        if let Some((first, _)) = self.handed_out.bounds() {
            self.handed_out.insert(first, then);
            self.done.insert(first, then);
        }
        self.floor = (floor, now);
    }
}

impl DeliveredIds {
    /// The position of the delivery is durable.
    pub(crate) fn done(&self) {
        if let Some(reading) = &mut *self.rows.reading()
            && reading.part == self.part
        {
            reading.done.extend(&self.ids);
        }
        self.end();
    }

    /// Whether their stream is the one that is read now. If not, their sequences are other rows.
    pub(crate) fn is_current(&self) -> bool {
        self.rows.reads(&self.part)
    }

    fn end(&self) {
        if !self.is_over.swap(true, Ordering::AcqRel) {
            self.rows.in_progress.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for DeliveredIds {
    fn drop(&mut self) {
        self.end();
    }
}

/// Which rows are done cannot be read or kept.
fn unkept(error: &(dyn std::error::Error + 'static)) -> NatsError {
    NatsError::store(format!("which rows are done cannot be read or kept: {}", error_chain(error)))
}

#[cfg(test)]
mod tests {
    use kisflow_core::durable::MemoryStore;

    use super::*;

    fn row(sequence: u64, number: u64, is_again: bool) -> Fetched {
        let (payload, reply, since) = (Bytes::new(), Subject::from("x"), Instant::now());
        Fetched { payload, sequence, number, is_again, epoch: 0, reply, since }
    }

    async fn rows() -> Arc<DoneRows> {
        let store = Arc::new(MemoryStore::default());
        let rows = DoneRows::new(SourceContext::new("flow", "rows", store));
        rows.begin("S".into()).await.unwrap();
        Arc::new(rows)
    }

    fn hand_out(done: &Arc<DoneRows>, rows: &[Fetched]) -> KeptDelivery {
        done.reading().as_mut().unwrap().hand_out(rows, done)
    }

    #[tokio::test]
    async fn rows_that_the_consumer_delivers_one_after_the_other_are_one_range() {
        let done = rows().await;
        hand_out(&done, &[row(3, 1, false), row(7, 2, false)]);
        let next = hand_out(&done, &[row(8, 3, false)]);
        assert_eq!(next.position, r#"{"done":["3..8"]}"#);
        // The delivery with number 4 was lost. Its row is redelivered with number 7.
        let gap = hand_out(&done, &[row(12, 5, false), row(15, 6, false), row(10, 7, true)]);
        assert_eq!(gap.position, r#"{"done":["3..8","10","12..15"]}"#);
        let behind = hand_out(&done, &[row(20, 8, false), row(30, 9, false)]);
        assert_eq!(behind.position, r#"{"done":["3..8","10","12..15","20..30"]}"#);
    }

    #[tokio::test]
    async fn rows_that_came_again_are_one_range_if_their_sequences_are() {
        let done = rows().await;
        let position = hand_out(&done, &[row(3, 9, true), row(4, 10, true), row(6, 11, true)]);
        assert_eq!(position.position, r#"{"done":["3..4","6"]}"#);
    }

    #[tokio::test]
    async fn numbers_that_a_server_gives_once_more_are_no_range() {
        let done = rows().await;
        hand_out(&done, &[row(108, 109, false)]);
        // It was killed, has counted the number 110 for another row before, and that is not here.
        let next = Fetched { epoch: 1, ..row(110, 110, false) };
        let position = hand_out(&done, &[next]).position;
        assert_eq!(position, r#"{"done":["108","110"]}"#);
    }

    #[tokio::test]
    async fn a_stream_that_ends_before_rows_that_are_done_is_an_error() {
        let done = rows().await;
        hand_out(&done, &[row(7, 1, false)]);
        assert!(done.check_end("S", 7).is_ok());
        let said = done.check_end("S", 6).unwrap_err().to_string();
        assert!(said.starts_with("stream `S` ends at sequence 6, and rows up to 7 "), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_acknowledged_long_ago_is_one_range() {
        let done = rows().await;
        for sequence in [3, 5, 9] {
            hand_out(&done, &[row(sequence, sequence, true)]);
        }
        done.acknowledged_to(5);
        tokio::time::advance(WRITTEN).await;
        done.acknowledged_to(5);
        let position = hand_out(&done, &[row(11, 11, true)]).position;
        assert_eq!(position, r#"{"done":["3","5","9","11"]}"#, "it was seen just now");
        tokio::time::advance(WRITTEN).await;
        done.acknowledged_to(11);
        let position = hand_out(&done, &[row(13, 13, true)]).position;
        assert_eq!(position, r#"{"done":["3..5","9","11","13"]}"#);
    }

    #[tokio::test]
    async fn a_row_is_taken_out_once_its_position_is_durable() {
        let done = rows().await;
        let kept = hand_out(&done, &[row(3, 1, false), row(4, 2, false)]);
        let again = || vec![row(3, 3, true), row(5, 4, false)];
        let mut rows = again();
        assert_eq!(done.take_done(&mut rows).len(), 0);
        assert!(done.has_open_deliveries());
        kept.ids.done();
        assert!(!done.has_open_deliveries(), "whether it can be acknowledged or not");
        drop(hand_out(&done, &[row(6, 5, false)]));
        assert!(!done.has_open_deliveries());
        assert_eq!((done.take_done(&mut rows).len(), rows.len()), (1, 1));
        assert!(kept.ids.is_current());
        done.begin("T".into()).await.unwrap();
        assert!(!kept.ids.is_current());
        kept.ids.done();
        let mut rows = again();
        assert_eq!(done.take_done(&mut rows).len(), 0, "it is a row of another stream");
    }
}
