//! [`Parts`]: the receipt of rows that were posted, by one client or by several.

use std::{ops::Range, sync::Arc};

use kisflow_core::{Receipt, Result, Settled, async_trait};

use crate::{memory::Held, ticket::Share};

/// The receipt of a delivery: the parts of posts in it, in order.
#[derive(Debug)]
pub(crate) struct Parts {
    parts: Vec<Part>,
}

/// Rows of one post in a delivery.
#[derive(Debug)]
pub(crate) struct Part {
    /// The id of the post.
    pub(crate) id: Arc<str>,
    /// The position of its first row in the post.
    pub(crate) first: usize,
    pub(crate) share: Share,
    /// The memory of the post's body, given back with the last of its parts.
    pub(crate) _held: Arc<Held>,
}

impl Parts {
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }
}

#[async_trait]
impl Receipt for Parts {
    fn position(&self, row: usize) -> String {
        let mut before = 0;
        for part in &self.parts {
            let rows = part.share.rows();
            if row < before + rows {
                return format!("{}:{}", part.id, part.first + row - before);
            }
            before += rows;
        }
        // A batch has no such row.
        String::new()
    }

    async fn done(&self, settled: &Settled) -> Result<()> {
        let mut first = 0;
        for part in &self.parts {
            let rows = part.share.rows();
            part.share.done(quarantined(settled, first..first + rows, self.parts.len() == 1));
            first += rows;
        }
        Ok(())
    }

    async fn release(&self) -> Result<()> {
        self.parts.iter().for_each(|part| part.share.undone());
        Ok(())
    }
}

/// How many of a post's rows are in quarantine; `None` if the delivery has several posts and the
/// flow made new rows of all of them, so that it is unknown whose they are.
fn quarantined(settled: &Settled, rows: Range<usize>, alone: bool) -> Option<usize> {
    match &settled.bad_rows {
        Some(bad) => Some(bad.iter().filter(|row| rows.contains(row)).count()),
        None if alone => Some(settled.quarantined),
        None => None,
    }
}
