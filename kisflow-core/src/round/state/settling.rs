//! How rounds end: what is committed, and who has to enter again.

use super::{PartitionOf, RoundState, Settlement, Size, TicketId};
use crate::{
    durable::CommitId,
    round::{
        cache::Cached,
        commit::{Refusal, RoundCommit},
        layers::Version,
    },
};

impl RoundState {
    /// What the closed round commits.
    pub(super) fn group(&self) -> RoundCommit {
        let mut group = RoundCommit::default();
        let Some(closed) = &self.closed else { return group };
        group.cells = closed.cells.iter().map(|(key, cell)| (key.clone(), cell.clone())).collect();
        group.members = closed.members.len();
        for ticket in closed.members.values() {
            let Some(progress) = self.tickets.get(ticket) else { continue };
            let Some((facts, _)) = &progress.finished else { continue };
            if let Some(reader) = progress.partition.map(|(reader, _)| reader) {
                group.has_readers = true;
                let positions = self.readers.get(&reader).map(|reader| &reader.positions);
                if let Some(positions) = positions.filter(|_| !facts.positions.is_empty()) {
                    group.moves(reader, positions, &facts.positions);
                }
            }
            if let Some(quarantine) = facts.quarantine.as_ref().filter(|_| !facts.bad.is_empty()) {
                group.keeps(quarantine, &facts.bad);
            }
        }
        group
    }

    /// The closed round is committed, by this commit if one was needed.
    pub(in crate::round) fn committed(&mut self, id: Option<CommitId>) {
        self.is_committing = false;
        let Some(closed) = self.closed.take() else { return };
        for (key, cell) in closed.cells {
            let version = match cell.version {
                Version::Stored(version) if !cell.is_changed => version,
                _ => id.filter(|_| cell.value.is_some()),
            };
            if let Some(next) = self.open.cells.get_mut(&key)
                && next.version == Version::Before
            {
                next.version = Version::Stored(version);
            }
            match &cell.value {
                Some(_) => self.cache.set(key, Cached { value: cell.value, version }),
                None => self.cache.remove(&key),
            }
        }
        let is_as_large_as_fits = closed.members.len() >= self.fitting_members;
        let Size { states, others, bytes } = &mut self.largest;
        // One that was larger than others counts less and less.
        (*states, *others, *bytes) =
            (*states - *states / 8, *others - *others / 8, *bytes - *bytes / 8);
        for ticket in closed.members.into_values() {
            let progress = self.tickets.remove(&ticket);
            self.largest =
                self.largest.max(progress.as_ref().map_or(Size::default(), |it| it.size));
            if let Some((_, sender)) = progress.and_then(|progress| progress.finished) {
                sender.send(Settlement::Committed).ok();
            }
        }
        self.most_members = self.most_members.saturating_mul(2);
        if is_as_large_as_fits {
            self.fitting_members = self.fitting_members.saturating_add(1);
        }
    }

    /// The closed round is not committed.
    pub(in crate::round) fn refused(&mut self, refusal: Refusal) {
        self.is_committing = false;
        let Refusal { keys, readers: moved, why, is_too_large } = refusal;
        match keys {
            Some(keys) => keys.iter().for_each(|key| self.cache.remove(key)),
            None => self.cache.clear(),
        }
        let members = self.closed.iter().flat_map(|round| round.members.values());
        let members: Vec<TicketId> = members.copied().collect();
        let half = (members.len() / 2).max(1);
        match is_too_large {
            true => self.fitting_members = half,
            false => self.most_members = half,
        }
        let mut ended = Vec::new();
        if let Some(why) = why {
            for ticket in members {
                let Some(progress) = self.tickets.get_mut(&ticket) else { continue };
                match progress.partition {
                    Some((reader, _)) => ended.push(reader),
                    None => {
                        let progress = self.tickets.remove(&ticket);
                        if let Some((_, sender)) = progress.and_then(|progress| progress.finished) {
                            sender.send(Settlement::Failed(why.clone())).ok();
                        }
                    }
                }
            }
        }
        for reader in moved {
            if let Some(known) = self.readers.get_mut(&reader) {
                known.is_moved = true;
            }
            self.end_reader(reader);
        }
        for reader in ended {
            self.end_reader(reader);
        }
        self.run_again();
    }

    /// The deliveries of a reader are not committed any more, unless their commit has begun.
    pub(super) fn end_reader(&mut self, reader: u64) {
        let Some(known) = self.readers.get(&reader) else { return };
        known.ended.cancel();
        let is_of = |partition: &Option<PartitionOf>| partition.is_some_and(|(of, _)| of == reader);
        let gone: Vec<TicketId> = self
            .tickets
            .iter()
            .filter(|(ticket, progress)| {
                is_of(&progress.partition) && !self.is_committing(**ticket)
            })
            .map(|(ticket, _)| *ticket)
            .collect();
        let mut was_in_round = false;
        for ticket in gone {
            let Some(progress) = self.tickets.remove(&ticket) else { continue };
            if let Some(member) = progress.member {
                was_in_round |= self.again.remove(&member).is_none();
            }
            self.waiting.retain(|waiting| *waiting != ticket);
            self.inside.take_if(|inside| inside.ticket == ticket);
        }
        self.partitions.retain(|(of, _), _| *of != reader);
        if was_in_round {
            self.run_again();
        }
    }

    /// Drops what the rounds have that are not being committed: their deliveries have to enter again.
    pub(super) fn run_again(&mut self) {
        self.attempt += 1;
        let closed = self.closed.take_if(|_| !self.is_committing);
        let open = std::mem::take(&mut self.open);
        let mut unheard = Vec::new();
        for (member, ticket) in closed.into_iter().chain([open]).flat_map(|round| round.members) {
            let Some(progress) = self.tickets.get_mut(&ticket) else { continue };
            self.again.insert(member, ticket);
            if let Some((_, sender)) = progress.finished.take() {
                // If its caller is gone, it does not enter again.
                if sender.send(Settlement::Again).is_err() {
                    self.again.remove(&member);
                    let progress = self.tickets.remove(&ticket);
                    unheard.extend(progress.and_then(|progress| progress.partition));
                }
            }
        }
        for (reader, _) in unheard {
            self.end_reader(reader);
        }
        if let Some(inside) = &mut self.inside {
            inside.before.clear();
            inside.touched.clear();
        }
    }
}
