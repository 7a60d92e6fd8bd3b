//! [`Recent`]: the last read bytes, which recognize a file.

use bytes::{Buf, BytesMut};

use super::position::{Print, TAIL};

/// The last read bytes: those that are not handed out, and some before them.
#[derive(Default)]
pub(super) struct Recent {
    bytes: BytesMut,
    end: u64,
}

impl Recent {
    /// What stands before an offset.
    pub(super) fn new(end: u64, tail: &[u8]) -> Self {
        Self { bytes: BytesMut::from(tail), end }
    }

    /// Up to where the file was read.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        self.end += chunk.len() as u64;
    }

    /// The print of the bytes before an offset, as many of them as are there.
    pub(super) fn print(&self, offset: u64) -> Print {
        let behind = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let end = self.bytes.len().saturating_sub(behind);
        Print::of(self.bytes.get(end.saturating_sub(TAIL)..end).unwrap_or_default())
    }

    /// Drops the bytes for positions before this offset.
    pub(super) fn forget_before(&mut self, offset: u64) {
        let kept = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let kept = kept.saturating_add(TAIL);
        if self.bytes.len() > kept {
            self.bytes.advance(self.bytes.len() - kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_before_an_offset_are_known_until_rows_behind_it_are_handed_out() {
        let text: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
        let mut recent = Recent::new(0, &[]);
        for chunk in text.chunks(3000) {
            recent.push(chunk);
        }
        for offset in [0, 1, 4095, 4096, 4097, 12_345, 20_000] {
            let from = offset - offset.min(TAIL);
            assert_eq!(recent.print(offset as u64), Print::of(&text[from..offset]), "{offset}");
            recent.forget_before(offset as u64);
        }
        assert_eq!((recent.end(), recent.bytes.len()), (20_000, TAIL));
        let again = Recent::new(20_000, &text[20_000 - TAIL..]);
        assert_eq!(again.print(20_000), recent.print(20_000));
    }
}
