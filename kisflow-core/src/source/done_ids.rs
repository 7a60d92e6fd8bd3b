//! [`IdRanges`] and [`UnconfirmedIds`]: which rows are done and may be redelivered, for a source
//! whose broker keeps no order in which it forgets them.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Between the first and the last id of a range.
const TO: &str = "..";

/// Ids of rows, as ranges. `I` is an id of a broker; its text must not contain `..`.
///
/// ```
/// use kisflow_core::IdRanges;
///
/// let mut done = IdRanges::default();
/// done.insert(3, 8);
/// done.insert(6, 9);
/// done.insert(12, 12);
/// assert_eq!(done.to_position(), r#"{"done":["3..9","12"]}"#);
/// let done = IdRanges::<u64>::from_position(br#"{"done":["3..9","12"]}"#)?;
/// assert!(done.contains(&9) && !done.contains(&10));
/// # Ok::<(), kisflow_core::BoxError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRanges<I> {
    /// The last id of each range, by its first. No two have an id in common.
    ranges: BTreeMap<I, I>,
}

/// The form in which a position has them.
#[derive(Serialize, Deserialize)]
struct Position {
    done: Vec<String>,
}

impl<I: Copy + Ord> IdRanges<I> {
    /// Adds the ids from `first` to `last`, both included.
    pub fn insert(&mut self, first: I, last: I) {
        if last < first {
            return;
        }
        let (mut first, mut last) = (first, last);
        while let Some((&start, &end)) = self.ranges.range(..=last).next_back()
            && end >= first
        {
            self.ranges.remove(&start);
            (first, last) = (first.min(start), last.max(end));
        }
        self.ranges.insert(first, last);
    }

    /// Adds all ids of other ranges.
    pub fn extend(&mut self, others: &Self) {
        for (first, last) in &others.ranges {
            self.insert(*first, *last);
        }
    }

    /// Whether the id is in one of the ranges.
    pub fn contains(&self, id: &I) -> bool {
        self.ranges.range(..=id).next_back().is_some_and(|(_, last)| id <= last)
    }

    /// The first and the last of all ids, if there are any.
    #[must_use]
    pub fn bounds(&self) -> Option<(I, I)> {
        Some((*self.ranges.first_key_value()?.0, *self.ranges.last_key_value()?.1))
    }

    /// Whether there are no ids.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl<I: Copy + Ord + fmt::Display> IdRanges<I> {
    /// The ranges as the text of a position, which an operator can read.
    #[must_use]
    pub fn to_position(&self) -> Bytes {
        let range = |(first, last): (&I, &I)| match first == last {
            true => first.to_string(),
            false => format!("{first}{TO}{last}"),
        };
        let position = Position { done: self.ranges.iter().map(range).collect() };
        // Only texts: it always has a JSON form.
        serde_json::to_vec(&position).unwrap_or_default().into()
    }
}

impl<I> IdRanges<I>
where
    I: Copy + Ord + FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    /// Reads what [`to_position`](Self::to_position) wrote.
    ///
    /// # Errors
    ///
    /// When the position has another form: it is another source's, or was edited by hand.
    pub fn from_position(position: &[u8]) -> Result<Self> {
        let Position { done } = serde_json::from_slice(position)?;
        let mut ranges = Self::default();
        for range in done {
            let (first, last) = range.split_once(TO).unwrap_or((&range, &range));
            ranges.insert(first.parse()?, last.parse()?);
        }
        Ok(ranges)
    }
}

impl<I> Default for IdRanges<I> {
    fn default() -> Self {
        Self { ranges: BTreeMap::new() }
    }
}

/// The rows that a reader has handed out and whose acknowledgement is not confirmed: what its broker
/// may redeliver.
///
/// For a source that [keeps](crate::Delivery::keep) these ids as its position. The position of a
/// delivery has its own ids and those of all before it that are not confirmed yet. Since it is kept
/// only when all of these are done, each row that is in it is done; and each row that is done and may
/// be redelivered is in it.
#[derive(Debug)]
pub struct UnconfirmedIds<I> {
    state: Mutex<Deliveries<I>>,
}

#[derive(Debug)]
struct Deliveries<I> {
    next: u64,
    handed_out: BTreeMap<u64, IdRanges<I>>,
}

/// Ids that were handed out, to confirm their acknowledgement.
#[derive(Debug)]
pub struct HandedOut<I> {
    unconfirmed: Arc<UnconfirmedIds<I>>,
    number: u64,
}

impl<I: Copy + Ord + fmt::Display> UnconfirmedIds<I> {
    /// Records ids in the order in which they are handed out. Returns the position of their delivery.
    pub fn hand_out(self: &Arc<Self>, ids: IdRanges<I>) -> (HandedOut<I>, Bytes) {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.handed_out.insert(number, ids);
        let mut all = IdRanges::default();
        state.handed_out.values().for_each(|ids| all.extend(ids));
        drop(state);
        (HandedOut { unconfirmed: self.clone(), number }, all.to_position())
    }

    /// Whether all acknowledgements are confirmed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().handed_out.is_empty()
    }
}

impl<I> UnconfirmedIds<I> {
    fn lock(&self) -> MutexGuard<'_, Deliveries<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> HandedOut<I> {
    /// The broker has confirmed the acknowledgement: it redelivers none of these rows. Ids of which
    /// that is never said stay in the positions of this reader.
    pub fn confirm(&self) {
        self.unconfirmed.lock().handed_out.remove(&self.number);
    }
}

impl<I> Default for UnconfirmedIds<I> {
    fn default() -> Self {
        Self { state: Mutex::new(Deliveries { next: 0, handed_out: BTreeMap::new() }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn the_same_ids_are_in_ranges_and_in_what_they_are_written_as(
            ranges in vec((0..60_u64, 0..9_u64), 0..12)
        ) {
            let mut done = IdRanges::default();
            for (first, more) in &ranges {
                done.insert(*first, first + more);
            }
            let read = IdRanges::from_position(&done.to_position()).unwrap();
            prop_assert_eq!(&read, &done);
            for id in 0..80 {
                let expected = ranges.iter().any(|(first, more)| (*first..=first + more).contains(&id));
                prop_assert_eq!(read.contains(&id), expected, "{} in {:?}", id, read);
            }
            let mut apart = read.ranges.iter().zip(read.ranges.iter().skip(1));
            prop_assert!(apart.all(|((_, last), (next, _))| last < next), "{:?}", read);
        }
    }

    #[test]
    fn a_position_of_another_form_is_an_error() {
        for odd in ["", "{}", "7", r#"{"done":["x"]}"#, r#"{"done":["3..x"]}"#, r#"{"offset":4}"#] {
            assert!(IdRanges::<u64>::from_position(odd.as_bytes()).is_err(), "{odd}");
        }
        let backwards = IdRanges::<u64>::from_position(br#"{"done":["9..3"]}"#).unwrap();
        assert!(backwards.is_empty());
    }

    #[test]
    fn a_position_has_what_was_handed_out_and_is_not_confirmed() {
        let unconfirmed = Arc::new(UnconfirmedIds::default());
        let hand_out = |first: u64, last: u64| {
            let mut ids = IdRanges::default();
            ids.insert(first, last);
            unconfirmed.hand_out(ids)
        };
        let (one, position) = hand_out(1, 3);
        assert_eq!(position, r#"{"done":["1..3"]}"#);
        let (two, position) = hand_out(7, 9);
        assert_eq!(position, r#"{"done":["1..3","7..9"]}"#);
        one.confirm();
        let (three, position) = hand_out(4, 4);
        assert_eq!(position, r#"{"done":["4","7..9"]}"#);
        assert!(!unconfirmed.is_empty());
        [two, three].iter().for_each(HandedOut::confirm);
        assert!(unconfirmed.is_empty());
    }
}
