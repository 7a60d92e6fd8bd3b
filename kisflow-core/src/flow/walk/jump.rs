//! Jumps: where they lead, and which are refused.

use super::{End, Kind, TRACE, Walk};
use crate::conf::suggest;

impl Walk<'_> {
    /// The place of the target, if the jump is allowed. For a function that is in the flow several
    /// times it is the last place, as in KisFlow.
    pub(super) fn jump(&mut self, target: &str) -> Result<usize, End> {
        let nodes = &self.chain.nodes;
        let Some(at) = nodes.iter().rposition(|node| *node.name == *target) else {
            let hint = suggest(target, nodes.iter().map(|node| &*node.name));
            return Err(self.misled(Kind::UnknownJump { target: target.to_owned(), hint }));
        };
        if at <= self.from && self.from > 0 {
            // This run has no output of the target's predecessor.
            return Err(self.misled(Kind::EarlierJump { target: target.to_owned() }));
        }
        self.trace.push_back(self.at);
        if self.trace.len() > TRACE {
            self.trace.pop_front();
        }
        self.jumps += 1;
        let limit = self.chain.conf.jump_limit;
        if self.jumps > limit {
            let cycle = self.cycle(at);
            return Err(self.misled(Kind::JumpLimit { limit, cycle }));
        }
        // The rows that the run continues with include them.
        let waiting = self.deferred.extract_if(.., |deferred| deferred.at >= at);
        let rows: usize = waiting.map(|deferred| deferred.rows.len()).sum();
        self.rows.failed -= rows;
        self.out += rows;
        Ok(at)
    }

    /// `A → B → A`: the functions between the last two times that this jump was made.
    fn cycle(&self, target: usize) -> String {
        let name = |at: usize| self.chain.nodes.get(at).map_or("?", |node| &*node.name);
        let mut jumpers: Vec<usize> = self.trace.iter().rev().copied().collect();
        let period = jumpers
            .iter()
            .skip(1)
            .position(|at| *at == self.at)
            .map_or(jumpers.len(), |others| others + 1);
        jumpers.truncate(period);
        jumpers.reverse();
        // After a jump the chain is walked up to the next function that jumps.
        let mut at = target;
        let mut names = Vec::new();
        for jumper in jumpers {
            names.extend((at.min(jumper)..=jumper).map(name));
            at = jumper;
        }
        names.push(name(target));
        names.join(" → ")
    }
}
