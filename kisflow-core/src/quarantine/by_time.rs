//! [`ByTime`]: the ids of rows, the oldest first, across flows.

use std::collections::VecDeque;

use super::{
    PAGE, QuarantineError, QuarantineFilter,
    layout::{Spaces, TimeKey, flow_and_place},
};
use crate::{
    durable::{Durable, Key, Scan},
    error::Result,
    millis::since_epoch,
};

/// How many bytes of rows are read in one go, and one row more.
const PAGE_BYTES: u64 = 4 << 20;

/// The ids of rows, the oldest first. Each flow has an order of its own; they are merged page by
/// page.
pub(super) struct ByTime<'d> {
    durable: &'d dyn Durable,
    flows: Vec<Flow>,
}

/// The rows of one flow.
struct Flow {
    /// The next page.
    scan: Scan,
    page: VecDeque<(TimeKey, u64)>,
    is_read: bool,
}

impl<'d> ByTime<'d> {
    /// The rows of the filter's flow and times, behind this place.
    pub(super) async fn open(
        durable: &'d dyn Durable,
        spaces: Spaces,
        filter: &QuarantineFilter,
        after: Option<&TimeKey>,
    ) -> Result<Self, QuarantineError> {
        let names = match &filter.flow {
            Some(flow) => vec![flow.clone()],
            None => flows(durable, spaces).await?,
        };
        let flow = |name: String| {
            let flow = spaces.flow(&name);
            let mut scan = Scan::of(spaces.by_time).prefix(flow.bytes()).limit(PAGE);
            if let Some(since) = filter.since {
                scan = scan.from(flow.clone().number(since_epoch::of(since)).to_bytes());
            }
            if let Some(until) = filter.until {
                // Times are kept to the millisecond, and one within it is before its end.
                let until = since_epoch::of(until).saturating_add(1);
                scan = scan.to(flow.clone().number(until).to_bytes());
            }
            if let Some(TimeKey { since_ms, id }) = after {
                scan = scan.after(flow.number(*since_ms).text(id).to_bytes());
            }
            Flow { scan, page: VecDeque::new(), is_read: false }
        };
        Ok(Self { durable, flows: names.into_iter().map(flow).collect() })
    }

    /// Without rows that come later, even if they are dated before others.
    pub(super) async fn up_to_now(mut self) -> Result<Self, QuarantineError> {
        for flow in &mut self.flows {
            let last = self.durable.scan(&flow.scan.clone().backwards().limit(1)).await;
            let last = last.map_err(QuarantineError::storage("read"))?;
            match last.first() {
                // Up to and with this key.
                Some((last, _)) => {
                    flow.scan = flow.scan.clone().to([&**last, &[0]].concat());
                }
                None => flow.is_read = true,
            }
        }
        Ok(self)
    }

    /// The next ids, as many as can be read in one go; none at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<String>, QuarantineError> {
        let mut ids = Vec::new();
        let mut bytes = 0;
        while ids.len() < PAGE && bytes < PAGE_BYTES {
            for flow in &mut self.flows {
                flow.fill(self.durable).await?;
            }
            self.flows.retain(|flow| !flow.page.is_empty());
            let first = self.flows.iter_mut().min_by(|a, b| a.page.front().cmp(&b.page.front()));
            let Some((place, size)) = first.and_then(|flow| flow.page.pop_front()) else { break };
            bytes += size;
            ids.push(place.id);
        }
        Ok(ids)
    }
}

impl Flow {
    /// Reads a page if there is none.
    async fn fill(&mut self, durable: &dyn Durable) -> Result<(), QuarantineError> {
        while self.page.is_empty() && !self.is_read {
            let page = durable.scan(&self.scan).await.map_err(QuarantineError::storage("read"))?;
            match page.last() {
                Some((last, _)) => self.scan = self.scan.clone().after(last.clone()),
                None => self.is_read = true,
            }
            self.page.extend(page.iter().filter_map(|(key, entry)| {
                let bytes = std::str::from_utf8(&entry.value).ok()?.parse().ok()?;
                Some((flow_and_place(key)?.1, bytes))
            }));
        }
        Ok(())
    }
}

/// The flows that have rows.
pub(super) async fn flows(
    durable: &dyn Durable,
    spaces: Spaces,
) -> Result<Vec<String>, QuarantineError> {
    let mut flows: Vec<String> = Vec::new();
    let mut scan = Scan::of(spaces.by_time).limit(1).keys_only();
    loop {
        let page = durable.scan(&scan).await.map_err(QuarantineError::storage("read"))?;
        let Some((key, _)) = page.first() else { return Ok(flows) };
        let next = match flow_and_place(key) {
            Some((flow, _)) => {
                let behind = behind(&spaces.flow(&flow));
                flows.push(flow);
                behind
            }
            None => key.to_vec(),
        };
        scan = scan.after(next);
    }
}

/// Bytes behind every key that goes on from this one: no part of a tuple begins with `FF`.
fn behind(key: &Key) -> Vec<u8> {
    [key.bytes(), &[0xFF]].concat()
}
