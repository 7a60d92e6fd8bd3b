//! Rows that are lines.

use super::{Scan, Stop, is_blank};

/// The rows at the beginning of a buffer, at most so many. The end of the buffer ends the last line
/// if the text has `ended`.
pub(super) fn scan(buffer: &[u8], rows: usize, limit: usize, ended: bool) -> Scan {
    let mut scan = Scan { end: 0, rows: 0, stop: Stop::Short };
    let last = ended.then_some(buffer.len());
    for end in memchr::memchr_iter(b'\n', buffer).chain(last) {
        let line = buffer.get(scan.end..end).unwrap_or_default();
        if line.first() == Some(&0) {
            scan.stop = Stop::Hole;
            return scan;
        }
        if line.len() > limit {
            scan.stop = Stop::Overlong;
            return scan;
        }
        scan.rows += usize::from(!is_blank(line));
        scan.end = buffer.len().min(end + 1);
        if scan.rows == rows {
            scan.stop = Stop::Full;
            return scan;
        }
    }
    if buffer.len() - scan.end > limit {
        scan.stop = Stop::Overlong;
    }
    scan
}
