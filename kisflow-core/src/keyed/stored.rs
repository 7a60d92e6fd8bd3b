//! [`StoredStates`]: the states of a flow, for tools.

use bytes::Bytes;

use super::SPACE;
use crate::{
    durable::{Durable, Entry, Key, Scan, commit_all, each_page},
    error::Result,
};

/// How many entries are read in one go.
const PAGE: usize = 500;

/// The states that the functions of a flow keep in a store, for tools. No service may use the store
/// meanwhile.
///
/// States belong to the positions of their flow. A tool that moves or resets positions must do the same
/// with the states: otherwise the rows between count twice, or never.
///
/// ```
/// use kisflow_core::{Durable, StoredStates, durable::{Commit, Key, MemoryStore}};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let store = MemoryStore::default();
/// let key = Key::new("state").text("Payments").text("Velocity").number(7);
/// store.commit(&Commit::new().put(key, "3")).await?;
///
/// let states = StoredStates::new(&store, "Payments");
/// assert_eq!(states.copy_to("Cards").await?, Some(1));
/// assert_eq!(states.remove().await?, 1);
/// assert!(states.is_empty().await?);
/// assert!(!StoredStates::new(&store, "Cards").is_empty().await?);
/// # Ok::<(), kisflow_core::BoxError>(())
/// # })?;
/// # Ok::<(), kisflow_core::BoxError>(())
/// ```
#[derive(Clone, Copy)]
pub struct StoredStates<'s> {
    store: &'s dyn Durable,
    flow: &'s str,
}

impl<'s> StoredStates<'s> {
    /// The states of this flow.
    #[must_use]
    pub fn new(store: &'s dyn Durable, flow: &'s str) -> Self {
        Self { store, flow }
    }

    fn prefix(flow: &str) -> Key {
        Key::new(SPACE).text(flow)
    }

    fn scan(&self) -> Scan {
        Scan::of(SPACE).prefix(Self::prefix(self.flow).bytes()).limit(PAGE)
    }

    /// Returns `true` if the flow has no state.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(self.store.scan(&self.scan().limit(1).keys_only()).await?.is_empty())
    }

    /// Copies the states to a flow of another name in the same store. Returns how many there are, or
    /// `None` if that flow has a different state for one of the keys: then nothing was written.
    ///
    /// After an interruption, call it again.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written; some states may have been copied then.
    pub async fn copy_to(&self, flow: &str) -> Result<Option<u64>> {
        let (from, to) = (Self::prefix(self.flow), Self::prefix(flow));
        let renamed = |key: &Bytes| {
            let rest = key.get(from.bytes().len()..).unwrap_or_default();
            Key::raw(SPACE, [to.bytes(), rest].concat())
        };
        let (mut count, mut differ) = (0, false);
        each_page(self.store, self.scan(), async |page: Vec<(Bytes, Entry)>| {
            let keys: Vec<Key> = page.iter().map(|(key, _)| renamed(key)).collect();
            for (there, (_, entry)) in self.store.read(&keys).await?.into_iter().zip(&page) {
                differ |= there.is_some_and(|there| there.value != entry.value);
            }
            count += page.len() as u64;
            Ok(())
        })
        .await?;
        if differ {
            return Ok(None);
        }
        each_page(self.store, self.scan(), async |page: Vec<(Bytes, Entry)>| {
            let states = page.into_iter().map(|(key, entry)| (renamed(&key), Some(entry.value)));
            commit_all(self.store, states).await
        })
        .await?;
        Ok(Some(count))
    }

    /// Removes all states of the flow. Returns how many there were.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written; some states may have been removed then.
    pub async fn remove(&self) -> Result<u64> {
        let mut count = 0;
        each_page(self.store, self.scan().keys_only(), async |page: Vec<(Bytes, Entry)>| {
            count += page.len() as u64;
            commit_all(self.store, page.into_iter().map(|(key, _)| (Key::raw(SPACE, &*key), None)))
                .await
        })
        .await?;
        Ok(count)
    }
}

impl std::fmt::Debug for StoredStates<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StoredStates").field("flow", &self.flow).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{Commit, Limits, MemoryStore};

    #[tokio::test]
    async fn the_states_of_a_flow_are_its_own_whatever_others_are_called() {
        let limits = Limits { keys: 7, bytes: 1 << 10, key_bytes: 1 << 10 };
        let store = MemoryStore::with_limits(limits);
        let key = |flow: &str, card: u64| Key::new(SPACE).text(flow).text("Sum").number(card);
        for flow in ["Pay", "Payments", "P"] {
            for card in 0..20 {
                store.commit(&Commit::new().put(key(flow, card), flow.to_owned())).await.unwrap();
            }
        }
        let (pay, cards) = (StoredStates::new(&store, "Pay"), StoredStates::new(&store, "Cards"));
        assert_eq!(pay.copy_to("Payments").await.unwrap(), None, "they differ");
        // As after an interruption: some are there already.
        store.commit(&Commit::new().put(key("Cards", 3), "Pay")).await.unwrap();
        assert_eq!(pay.copy_to("Cards").await.unwrap(), Some(20));
        assert_eq!(pay.remove().await.unwrap(), 20);
        assert!(pay.is_empty().await.unwrap() && !cards.is_empty().await.unwrap());
        assert_eq!(store.usage(SPACE).await.unwrap().entries, 60);
        let found = store.read(&[key("Cards", 19), key("Payments", 19)]).await.unwrap();
        let values: Vec<_> = found.into_iter().map(|entry| entry.unwrap().value).collect();
        assert_eq!(values, ["Pay", "Payments"]);
    }
}
