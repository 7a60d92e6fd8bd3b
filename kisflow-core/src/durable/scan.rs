//! [`Scan`]: which entries to read, and in which order.

use std::{ops::Bound, sync::Arc};

use bytes::Bytes;

/// A range of a space's entries, in the order of their keys' bytes.
///
/// ```
/// use kisflow_core::durable::{Key, Scan};
///
/// let flow = Key::new("positions").text("orders");
/// let scan = Scan::of("positions").prefix(flow.bytes()).limit(100).keys_only();
/// assert_eq!(scan.page(), 100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    space: Arc<str>,
    start: Bytes,
    end: Option<Bytes>,
    after: Option<Bytes>,
    limit: usize,
    keys_only: bool,
    backwards: bool,
}

/// A lower and an upper bound of keys.
pub type Bounds<'s> = (Bound<&'s [u8]>, Bound<&'s [u8]>);

impl Scan {
    /// All entries of a space, forwards, up to 1,000 in a page.
    pub fn of(space: impl Into<Arc<str>>) -> Self {
        Self {
            space: space.into(),
            start: Bytes::new(),
            end: None,
            after: None,
            limit: 1_000,
            keys_only: false,
            backwards: false,
        }
    }

    /// Only keys that begin so.
    #[must_use]
    pub fn prefix(mut self, prefix: &[u8]) -> Self {
        self.start = Bytes::copy_from_slice(prefix);
        // The first bytes behind all that begin so: the last byte that can grow, grown.
        self.end = prefix.iter().rposition(|byte| *byte < 0xFF).and_then(|last| {
            let (kept, grown) = (prefix.get(..last)?, prefix.get(last)? + 1);
            Some([kept, &[grown]].concat().into())
        });
        self
    }

    /// Only keys from this one on.
    #[must_use]
    pub fn from(mut self, start: impl Into<Bytes>) -> Self {
        self.start = start.into();
        self
    }

    /// Only keys before this one.
    #[must_use]
    pub fn to(mut self, end: impl Into<Bytes>) -> Self {
        self.end = Some(end.into());
        self
    }

    /// Only keys behind this one, in the scan's direction: the last key of the page before.
    #[must_use]
    pub fn after(mut self, key: impl Into<Bytes>) -> Self {
        self.after = Some(key.into());
        self
    }

    /// At most this many entries in a page.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Without values.
    #[must_use]
    pub const fn keys_only(mut self) -> Self {
        self.keys_only = true;
        self
    }

    /// From the last key to the first.
    #[must_use]
    pub const fn backwards(mut self) -> Self {
        self.backwards = true;
        self
    }

    /// The space.
    #[must_use]
    pub fn space(&self) -> &str {
        &self.space
    }

    /// The most entries in a page.
    #[must_use]
    pub const fn page(&self) -> usize {
        self.limit
    }

    /// Whether values are left out.
    #[must_use]
    pub const fn is_keys_only(&self) -> bool {
        self.keys_only
    }

    /// Whether the last key comes first.
    #[must_use]
    pub const fn is_backwards(&self) -> bool {
        self.backwards
    }

    /// The keys of the page: from the lower bound, up to the upper one. `None` if there can be none.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds<'_>> {
        let mut lower = Bound::Included(&*self.start);
        let mut upper = self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match self.after.as_deref() {
            Some(after) if !self.backwards => {
                lower = if after < &*self.start { lower } else { Bound::Excluded(after) };
            }
            Some(after) if self.end.as_deref().is_none_or(|end| after < end) => {
                upper = Bound::Excluded(after);
            }
            _ => {}
        }
        let is_possible = match (lower, upper) {
            (Bound::Included(lower), Bound::Excluded(upper)) => lower < upper,
            // Between these two there is no key if the upper one is the lower one's successor.
            (Bound::Excluded(lower), Bound::Excluded(upper)) => lower < upper,
            _ => true,
        };
        (is_possible && self.limit > 0).then_some((lower, upper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = b"a";

    #[test]
    fn a_prefix_ends_before_the_next_text_of_its_length() {
        let bounds = |prefix: &'static [u8]| Scan::of("s").prefix(prefix).end;
        assert_eq!(bounds(b"ab").as_deref(), Some(&b"ac"[..]));
        assert_eq!(bounds(b"a\xff\xff").as_deref(), Some(&b"b"[..]));
        assert_eq!(bounds(b"\xff\xff"), None);
        assert_eq!(bounds(b""), None);
    }

    #[test]
    fn after_only_narrows_the_range() {
        let scan = Scan::of("s").from("b").to("d");
        let (b, c, d) = (&b"b"[..], &b"c"[..], &b"d"[..]);
        let forwards = |after: &'static [u8]| scan.clone().after(after);
        let backwards = |after: &'static [u8]| scan.clone().backwards().after(after);
        let whole = Some((Bound::Included(b), Bound::Excluded(d)));
        assert_eq!(scan.bounds(), whole);
        assert_eq!(forwards(A).bounds(), whole);
        assert_eq!(forwards(b"c").bounds(), Some((Bound::Excluded(c), Bound::Excluded(d))));
        assert_eq!(forwards(b"d").bounds(), None);
        assert_eq!(backwards(b"e").bounds(), whole);
        assert_eq!(backwards(b"c").bounds(), Some((Bound::Included(b), Bound::Excluded(c))));
        assert_eq!(backwards(b"b").bounds(), None);
        assert_eq!(backwards(A).bounds(), None);
        assert_eq!(scan.clone().limit(0).bounds(), None);
    }
}
