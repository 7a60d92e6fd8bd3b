//! [`StoredPosition`]: a position of a source in a store, for tools.

use std::{collections::BTreeSet, time::SystemTime};

use bytes::Bytes;

use super::positions::{KEPT, SPACE, prefix};
use crate::{
    durable::{Durable, Key, Scan, commit_all, each_page, key_parts},
    error::Result,
    keyed::SPACE as STATES,
    millis::since_epoch,
    quarantine::{DISCARDED, KEPT as QUARANTINED, WAITING, carry_over as carry_rows},
};

/// How many entries are looked at in one go.
const PAGE: usize = 200;

/// A position of a source in a store, for tools.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredPosition {
    /// The source, by its `sname`.
    pub source: String,
    /// The flow.
    pub flow: String,
    /// The part of the source: the path of a file.
    pub part: String,
    /// The position, in the source's own form.
    pub value: Bytes,
    /// When it was kept, if known; to the millisecond.
    pub kept: Option<SystemTime>,
}

impl StoredPosition {
    /// A position with these values, without a time.
    #[must_use]
    pub fn new(
        source: impl Into<String>,
        flow: impl Into<String>,
        part: impl Into<String>,
        value: impl Into<Bytes>,
    ) -> Self {
        let (source, flow, part, value) = (source.into(), flow.into(), part.into(), value.into());
        Self { source, flow, part, value, kept: None }
    }

    /// Returns every position in a store, ordered by source, flow and part.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn all(store: &dyn Durable) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        each_page(store, Scan::of(SPACE).limit(PAGE), async |page| {
            let keys: Vec<Key> = page.iter().map(|(key, _)| Key::raw(KEPT, &**key)).collect();
            for ((key, entry), kept) in page.into_iter().zip(store.read(&keys).await?) {
                let Some([source, flow, part]) = names(&key) else { continue };
                let mut position = Self::new(source, flow, part, entry.value);
                let millis =
                    kept.and_then(|kept| std::str::from_utf8(&kept.value).ok()?.parse().ok());
                position.kept = millis.map(since_epoch::time);
                all.push(position);
            }
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Returns how many bytes were read, if the source keeps that as `offset` of a JSON object.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        let value: serde_json::Value = serde_json::from_slice(&self.value).ok()?;
        value.get("offset")?.as_u64()
    }

    /// Replaces the positions `old` by `new`. More than the store takes at once are replaced in
    /// several commits, the new ones first: after an error, call it again.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; some of the positions may have been replaced then.
    pub async fn replace(store: &dyn Durable, old: &[Self], new: &[Self]) -> Result<()> {
        let kept: BTreeSet<Key> = new.iter().map(Self::key).collect();
        let put = new.iter().flat_map(|position| {
            let (key, time) = (position.key(), position.kept);
            let time = time.map(|time| since_epoch::of(time).to_string().into());
            [(key.in_space(KEPT), time), (key, Some(position.value.clone()))]
        });
        let gone = old.iter().map(Self::key).filter(|key| !kept.contains(key));
        let removed = gone.flat_map(|key| [(key.in_space(KEPT), None), (key, None)]);
        commit_all(store, put.chain(removed)).await
    }

    fn key(&self) -> Key {
        prefix(&self.source, &self.flow).text(&self.part)
    }
}

/// Source, flow and part of a key.
fn names(key: &[u8]) -> Option<[String; 3]> {
    let names = key_parts(key).map(|part| Some(part.ok()?.as_text()?.to_owned()));
    names.collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// Whether a store keeps a position of a source and flow.
pub(crate) async fn has_position(store: &dyn Durable, source: &str, flow: &str) -> Result<bool> {
    let mine = Scan::of(SPACE).prefix(prefix(source, flow).bytes()).limit(1).keys_only();
    Ok(!store.scan(&mine).await?.is_empty())
}

/// What [`carry_over`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CarriedOver {
    /// Positions.
    pub positions: u64,
    /// States of functions.
    pub states: u64,
    /// Rows in quarantine.
    pub quarantined: u64,
    /// Discarded rows.
    pub discarded: u64,
    /// Rows that wait for what is unavailable.
    pub waiting: u64,
    /// Entries that differ in the other store. Without `replace`, nothing was written.
    pub conflicts: u64,
}

/// Copies the positions, the states of functions, the quarantine and the waiting rows of a store to
/// another. An entry that differs there is a conflict: nothing is written, unless `replace` is set.
///
/// No service may use either store meanwhile. After an interruption, call it again.
///
/// # Errors
///
/// When a store cannot be read or written; some entries may have been written then.
pub async fn carry_over(
    from: &dyn Durable,
    to: &dyn Durable,
    replace: bool,
) -> Result<CarriedOver> {
    let mut carried = CarriedOver::default();
    for space in [SPACE, STATES, QUARANTINED.rows, DISCARDED.rows, WAITING.rows] {
        each_page(from, Scan::of(space).limit(PAGE), async |page| {
            let keys: Vec<Key> = page.iter().map(|(key, _)| Key::raw(space, &**key)).collect();
            for (there, (_, entry)) in to.read(&keys).await?.into_iter().zip(page) {
                carried.conflicts +=
                    u64::from(there.is_some_and(|there| there.value != entry.value));
            }
            Ok(())
        })
        .await?;
    }
    if carried.conflicts > 0 && !replace {
        return Ok(carried);
    }
    // Positions come last: with one, a flow goes on in the other store.
    for space in [STATES, KEPT, SPACE] {
        each_page(from, Scan::of(space).limit(PAGE), async |page| {
            match space {
                SPACE => carried.positions += page.len() as u64,
                STATES => carried.states += page.len() as u64,
                _ => {}
            }
            let changes =
                page.into_iter().map(|(key, entry)| (Key::raw(space, &*key), Some(entry.value)));
            commit_all(to, changes).await
        })
        .await?;
    }
    let rows = carry_rows(from, to).await?;
    (carried.quarantined, carried.discarded) = (rows.kept, rows.discarded);
    carried.waiting = rows.waiting;
    Ok(carried)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{StoredPosition, carry_over, has_position};
    use crate::{
        durable::{Commit, Durable, Key, Limits, MemoryStore},
        quarantine::{DISCARDED, Draft, KEPT as QUARANTINED, Quarantined, WAITING, tests::row},
        source::Positions,
    };

    fn shown(positions: &[StoredPosition]) -> Vec<String> {
        let show = |position: &StoredPosition| {
            let StoredPosition { source, flow, part, .. } = position;
            format!("{source} {flow} {part} {:?}", position.offset())
        };
        positions.iter().map(show).collect()
    }

    #[tokio::test]
    async fn what_a_source_keeps_is_found_by_its_names_whatever_is_in_them() {
        let store = Arc::new(MemoryStore::default());
        let keep = async |source: &str, flow: &str, part: &str, value: &str| {
            let positions = Positions::new(store.clone(), source, flow);
            let change = [(part.into(), Some(value.to_owned().into()))];
            let (commit, _) = positions.commit(change.iter()).await.unwrap();
            positions.apply(&commit, change.iter()).await.unwrap();
        };
        keep("a/b", "c", "/x:y", r#"{"offset":18446744073709551615}"#).await;
        keep("a", "b/c", "", "no json").await;
        keep("ключ", "3:x", "p", r#"{"offset":7,"mark":{}}"#).await;
        let all = StoredPosition::all(&*store).await.unwrap();
        assert_eq!(
            shown(&all),
            ["a b/c  None", "a/b c /x:y Some(18446744073709551615)", "ключ 3:x p Some(7)"]
        );
        assert!(all.iter().all(|position| position.kept.is_some()));
        for (source, flow, has) in [("a/b", "c", true), ("a", "b/c", true), ("a", "b", false)] {
            assert_eq!(has_position(&*store, source, flow).await.unwrap(), has);
        }
        let moved = StoredPosition::new("a", "new", "part", "{}");
        StoredPosition::replace(&*store, &all[..2], &[moved]).await.unwrap();
        let all = StoredPosition::all(&*store).await.unwrap();
        assert_eq!(shown(&all), ["a new part None", "ключ 3:x p Some(7)"]);
    }

    #[tokio::test]
    async fn more_positions_than_a_commit_holds_are_kept_and_replaced() {
        let limits = Limits { keys: 3, bytes: 1 << 10, key_bytes: 1 << 10 };
        let store = Arc::new(MemoryStore::with_limits(limits));
        let parts =
            |name: &str| -> Vec<String> { (0..10).map(|at| format!("{name}{at}")).collect() };
        let stored = |name: &str| -> Vec<StoredPosition> {
            let parts = parts(name).into_iter();
            parts.map(|part| StoredPosition::new("lines", "Orders", part, "2")).collect()
        };
        StoredPosition::replace(&*store, &[], &stored("a")).await.unwrap();
        let all = StoredPosition::all(&*store).await.unwrap();
        assert_eq!(all.iter().map(|it| it.part.clone()).collect::<Vec<_>>(), parts("a"));
        StoredPosition::replace(&*store, &all, &stored("b")).await.unwrap();
        let all = StoredPosition::all(&*store).await.unwrap();
        assert_eq!(all.iter().map(|it| it.part.clone()).collect::<Vec<_>>(), parts("b"));
        assert!(all.iter().all(|position| position.kept.is_none() && position.value == "2"));
    }

    #[tokio::test]
    async fn a_store_is_carried_over_whole_or_not_at_all() {
        let (from, to) = (MemoryStore::default(), MemoryStore::default());
        let key = |space: &str, key: &str| Key::raw(space, key);
        let rows = |numbers: std::ops::Range<u64>| {
            numbers.map(|number| row(["A", "B"][number as usize % 2], &number.to_string(), number))
        };
        let put =
            async |store: &MemoryStore, spaces, rows: &mut dyn Iterator<Item = Quarantined>| {
                let draft =
                    rows.fold(Draft::default(), |draft, row| draft.set(spaces, None, Some(&row)));
                store.commit(&draft.commit(None)).await.unwrap();
            };
        put(&from, QUARANTINED, &mut rows(0..500)).await;
        put(&from, DISCARDED, &mut rows(500..501)).await;
        put(&from, WAITING, &mut rows(501..504)).await;
        from.commit(&Commit::new().put(key("state", "s"), "7")).await.unwrap();
        from.commit(&Commit::new().put(key("positions", "p"), "1")).await.unwrap();
        put(&to, QUARANTINED, &mut rows(0..1)).await;
        to.commit(&Commit::new().put(key("positions", "p"), "2")).await.unwrap();

        let carried = carry_over(&from, &to, false).await.unwrap();
        assert_eq!((carried.conflicts, carried.positions), (1, 0));
        assert_eq!(to.usage("quarantine").await.unwrap().entries, 1);

        let carried = carry_over(&from, &to, true).await.unwrap();
        assert_eq!((carried.positions, carried.quarantined, carried.discarded), (1, 500, 1));
        assert_eq!((carried.waiting, carried.states), (3, 1));
        let found = to.read(&[key("positions", "p"), key("state", "s")]).await.unwrap();
        let values = found.into_iter().map(|entry| entry.unwrap().value);
        assert_eq!(values.collect::<Vec<_>>(), ["1", "7"]);
        assert_eq!(to.usage("quarantine").await.unwrap().entries, 500);
        assert_eq!(to.usage("quarantine_by_time").await.unwrap().entries, 500);
        let of_a = to.read(&[Key::new("quarantine_usage").text("A").text("rows")]).await.unwrap();
        assert_eq!(of_a[0].as_ref().unwrap().count(), 250);
        // Once more is no harm.
        assert_eq!(carry_over(&from, &to, false).await.unwrap().conflicts, 0);
    }
}
