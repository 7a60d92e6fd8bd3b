//! [`Places`]: where each row of a batch began.

use std::sync::OnceLock;

use bytes::Bytes;

use super::is_blank;

/// Where each row of a batch began. For lines it is counted on demand, which is rare.
pub(crate) struct Places {
    /// Where the batch began.
    start: u64,
    lines: Bytes,
    /// Where each row began in it.
    starts: OnceLock<Vec<usize>>,
}

impl Places {
    pub(super) fn of_lines(start: u64, lines: Bytes) -> Self {
        Self { start, lines, starts: OnceLock::new() }
    }

    pub(super) fn of_starts(start: u64, starts: Vec<usize>) -> Self {
        Self { start, lines: Bytes::new(), starts: OnceLock::from(starts) }
    }

    /// Returns the offset of a row; that of the batch if there is no such row.
    pub(crate) fn offset(&self, row: usize) -> u64 {
        let starts = self.starts.get_or_init(|| {
            let mut start = 0;
            let lines = self.lines.split(|byte| *byte == b'\n').filter_map(|line| {
                let begin = start;
                start += line.len() + 1;
                (!is_blank(line)).then_some(begin)
            });
            lines.collect()
        });
        self.start + starts.get(row).copied().unwrap_or_default() as u64
    }
}
