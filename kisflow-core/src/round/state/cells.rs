//! The states of the open round: what deliveries read, change and take back.

use bytes::Bytes;

use super::RoundState;
use crate::{
    durable::{Entry, Key},
    keyed::StateChange,
    round::{
        cache::Cached,
        layers::{Cell, Version},
    },
};

impl RoundState {
    /// How many changes the delivery that is inside has made.
    pub(in crate::round) fn changes(&self, member: u64) -> usize {
        let inside = self.inside.as_ref().filter(|inside| inside.member == member);
        inside.map_or(0, |inside| inside.before.len())
    }

    /// Takes back what the delivery that is inside has changed, but for its first changes.
    pub(in crate::round) fn undo(&mut self, member: u64, attempt: u64, keep: usize) {
        let inside = self.inside.as_mut().filter(|inside| inside.member == member);
        let Some(inside) = inside.filter(|_| attempt == self.attempt) else { return };
        while inside.before.len() > keep
            && let Some((key, before)) = inside.before.pop()
        {
            if let Some(cell) = self.open.cells.get_mut(&key) {
                let bytes = key.bytes().len() + cell.value.as_ref().map_or(0, Bytes::len);
                inside.bytes = inside.bytes.saturating_sub(bytes);
                self.open.bytes = self.open.bytes.saturating_sub(bytes);
                // Its version may have become known meanwhile.
                (cell.value, cell.is_changed) = (before.value, before.is_changed);
            }
        }
    }

    #[cfg(test)]
    pub(in crate::round) fn is_empty(&self) -> bool {
        self.open.cells.is_empty() && self.open.members.is_empty() && self.open.bytes == 0
    }

    /// The state at a key, if it is known here: `Some(None)` if there is none.
    pub(in crate::round) fn find(&mut self, key: &Key) -> Option<Option<Bytes>> {
        if let Some(cell) = self.open.cells.get(key) {
            if let Some(inside) = &mut self.inside {
                inside.touched.entry(key.clone()).or_insert(false);
            }
            return Some(cell.value.clone());
        }
        let cell = match self.closed.as_ref().and_then(|round| round.cells.get(key)) {
            Some(cell) => cell.in_next_round()?,
            None => {
                let Cached { value, version } = self.cache.get(key)?;
                Cell { value, version: Version::Stored(version), is_changed: false }
            }
        };
        let value = cell.value.clone();
        self.insert(key.clone(), cell);
        Some(value)
    }

    /// Forgets what the store had.
    pub(in crate::round) fn forget(&mut self, attempt: u64, keys: &[Key]) {
        for key in keys.iter().filter(|_| attempt == self.attempt) {
            self.cache.remove(key);
            // Others of the round may rely on what they have read.
            let inside = self.inside.as_ref().and_then(|inside| inside.touched.get(key));
            if inside == Some(&true)
                && self.open.cells.get(key).is_some_and(|cell| !cell.is_changed)
            {
                self.open.cells.remove(key);
            }
        }
    }

    /// Takes note of what the store has.
    pub(in crate::round) fn learn(
        &mut self,
        attempt: u64,
        keys: Vec<Key>,
        entries: Vec<Option<Entry>>,
    ) {
        if attempt == self.attempt {
            for (key, entry) in keys.into_iter().zip(entries) {
                if !self.open.cells.contains_key(&key) {
                    self.insert(key, Cell::stored(entry));
                }
            }
        }
    }

    fn insert(&mut self, key: Key, cell: Cell) {
        if let Some(inside) = &mut self.inside {
            inside.touched.entry(key.clone()).or_insert(true);
        }
        self.open.cells.insert(key, cell);
    }

    /// Changes states for the delivery that is inside.
    pub(in crate::round) fn write(&mut self, member: u64, attempt: u64, changes: Vec<StateChange>) {
        let inside = self.inside.as_mut().filter(|inside| inside.member == member);
        let Some(inside) = inside.filter(|_| attempt == self.attempt) else { return };
        for StateChange { key, state } in changes {
            let Some(cell) = self.open.cells.get_mut(&key) else { continue };
            let bytes = key.bytes().len() + state.as_ref().map_or(0, Bytes::len);
            self.open.bytes += bytes;
            inside.bytes += bytes;
            let changed = Cell { value: state, is_changed: true, ..cell.clone() };
            inside.before.push((key, std::mem::replace(cell, changed)));
        }
    }
}
