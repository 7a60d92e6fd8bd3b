//! [`RowStates`]: the states of the rows of one call.

use std::collections::{HashMap, hash_map::Entry};

use bytes::Bytes;

use super::KeyedState;
use crate::{
    durable::Key,
    error::{Result, Unavailable},
};

/// The states of the rows of one call, as they are before it.
pub(crate) struct RowStates {
    /// The position of each row's state.
    of_row: Vec<usize>,
    keys: Vec<Key>,
    /// As JSON; `None` if there is none.
    stored: Vec<Option<Bytes>>,
}

/// A state that a call has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateChange {
    pub(crate) key: Key,
    /// As JSON; `None` if it is removed.
    pub(crate) state: Option<Bytes>,
}

impl RowStates {
    /// The states at the key of each row. They are read with [`set`](Self::set).
    pub(crate) fn new(of_rows: Vec<Key>) -> Self {
        let mut positions = HashMap::with_capacity(of_rows.len());
        let mut keys = Vec::new();
        let of_row = of_rows.into_iter().map(|key| match positions.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                keys.push(new.key().clone());
                *new.insert(keys.len() - 1)
            }
        });
        let of_row = of_row.collect();
        Self { of_row, keys, stored: Vec::new() }
    }

    /// Each key once.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Sets what is stored at each of the keys.
    pub(crate) fn set(&mut self, stored: Vec<Option<Bytes>>) {
        self.stored = stored;
    }

    /// The states as values, for one call.
    pub(crate) fn open<S: KeyedState>(&self) -> OpenStates<'_, S> {
        let slot = |stored: &Option<Bytes>| Slot { text: stored.clone(), state: None };
        OpenStates { states: self, slots: self.stored.iter().map(slot).collect() }
    }
}

/// The states of the rows of one call, while it works on them.
pub(crate) struct OpenStates<'s, S> {
    states: &'s RowStates,
    slots: Vec<Slot<S>>,
}

struct Slot<S> {
    text: Option<Bytes>,
    /// The state, if a row had it since `text` was read or written.
    state: Option<S>,
}

impl<S: KeyedState> OpenStates<'_, S> {
    /// Lends the state of a row. If the row may be rejected, the state before it is remembered.
    ///
    /// # Errors
    ///
    /// When what is stored is no `S`, or the state has no JSON form.
    #[inline]
    pub(crate) fn state(&mut self, row: usize, may_be_rejected: bool) -> Result<&mut S> {
        let position = self.states.of_row.get(row).copied().ok_or("the row has no state")?;
        let key = self.states.keys.get(position).ok_or("the row has no state")?;
        let slot = self.slots.get_mut(position).ok_or("the row has no state")?;
        let state = match slot.state.take() {
            Some(state) => {
                if may_be_rejected {
                    slot.text = written(key, &state)?;
                }
                state
            }
            None => read(key, slot.text.as_ref())?,
        };
        Ok(slot.state.insert(state))
    }

    /// Sets the state of a row to what it was before it was last lent.
    pub(crate) fn undo(&mut self, row: usize) {
        let position = self.states.of_row.get(row).copied();
        if let Some(slot) = position.and_then(|position| self.slots.get_mut(position)) {
            slot.state = None;
        }
    }

    /// The states that are not as before.
    ///
    /// # Errors
    ///
    /// When a state has no JSON form.
    pub(crate) fn changes(self) -> Result<Vec<StateChange>> {
        let RowStates { keys, stored, .. } = self.states;
        let mut changes = Vec::new();
        for ((slot, key), stored) in self.slots.into_iter().zip(keys).zip(stored) {
            let state = match &slot.state {
                Some(state) => written(key, state)?,
                None => slot.text,
            };
            if state != *stored {
                changes.push(StateChange { key: key.clone(), state });
            }
        }
        Ok(changes)
    }
}

fn read<S: KeyedState>(key: &Key, stored: Option<&Bytes>) -> Result<S> {
    let Some(stored) = stored else { return Ok(S::initial()) };
    S::read(stored).map_err(|error| {
        // The rows are not at fault.
        Unavailable::new(format!(
            "what is stored at {key} is not the state that the function keeps: {error}; run the version of the function that wrote it, or remove the entry"
        ))
        .into()
    })
}

fn written<S: KeyedState>(key: &Key, state: &S) -> Result<Option<Bytes>> {
    let text = state
        .write()
        .map_err(|error| format!("the state at {key} cannot be written as JSON: {error}"))?;
    // A float that is no number is written as `null`, for example.
    if text != b"null" && memchr::memmem::find(&text, b"null").is_some() {
        S::read(&text).map_err(|error| {
            format!("the state at {key} could not be read back from what it is written as: {error}")
        })?;
    }
    Ok((text != b"null").then(|| text.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::flow::unavailable;

    fn states(keys: &[&str], stored: &[Option<&'static str>]) -> RowStates {
        let mut states =
            RowStates::new(keys.iter().map(|key| Key::new("state").text(key)).collect());
        states.set(stored.iter().map(|text| text.map(Bytes::from)).collect());
        states
    }

    fn change(key: &str, state: Option<&'static str>) -> StateChange {
        StateChange { key: Key::new("state").text(key), state: state.map(Bytes::from) }
    }

    #[test]
    fn rows_of_a_key_see_what_those_before_left_and_what_is_unchanged_is_no_change() {
        let states = states(&["a", "b", "a", "c"], &[None, Some("7"), Some("1")]);
        assert_eq!(states.keys().len(), 3);
        let mut open = states.open::<u32>();
        *open.state(0, false).unwrap() += 1;
        assert_eq!(*open.state(1, false).unwrap(), 7);
        assert_eq!(*open.state(2, false).unwrap(), 1);
        *open.state(2, false).unwrap() += 1;
        *open.state(3, false).unwrap() = 5;
        assert_eq!(open.changes().unwrap(), [change("a", Some("2")), change("c", Some("5"))]);
    }

    #[test]
    fn a_rejected_row_leaves_the_state_as_the_row_before_it_did() {
        let states = states(&["a", "a", "a"], &[Some("10")]);
        let mut open = states.open::<u32>();
        *open.state(0, true).unwrap() += 1;
        *open.state(1, true).unwrap() = 99;
        open.undo(1);
        *open.state(2, true).unwrap() += 1;
        assert_eq!(open.changes().unwrap(), [change("a", Some("12"))]);
        let mut open = states.open::<u32>();
        *open.state(0, true).unwrap() = 99;
        open.undo(0);
        assert_eq!(open.changes().unwrap(), []);
    }

    #[test]
    fn none_removes_the_state() {
        let states = states(&["a", "b"], &[Some("1"), None]);
        let mut open = states.open::<Option<u32>>();
        *open.state(0, false).unwrap() = None;
        assert_eq!(*open.state(1, false).unwrap(), None);
        assert_eq!(open.changes().unwrap(), [change("a", None)]);
    }

    #[test]
    fn a_state_that_does_not_fit_is_an_outage_and_one_without_a_json_form_is_not() {
        let unfit = states(&["a"], &[Some(r#"{"count":1}"#)]);
        let error = unfit.open::<u32>().state(0, false).unwrap_err();
        assert!(unavailable(&*error).is_some());
        let said = crate::error_chain(&*error).to_string();
        assert!(said.contains(r#"state: "a""#) && said.contains("invalid type: map"), "{said}");
        let not_a_number = states(&["a"], &[None]);
        let mut open = not_a_number.open::<BTreeMap<String, f64>>();
        open.state(0, false).unwrap().insert("mean".to_owned(), f64::NAN);
        let error = open.changes().unwrap_err();
        assert!(
            unavailable(&*error).is_none() && error.to_string().contains("read back"),
            "{error}"
        );
        let states = states(&["a"], &[None]);
        let mut open = states.open::<BTreeMap<(u8, u8), u8>>();
        open.state(0, false).unwrap().insert((1, 2), 3);
        let error = open.changes().unwrap_err();
        assert!(
            unavailable(&*error).is_none() && error.to_string().contains("key must be a string")
        );
    }
}
