//! [`KeptPosts`]: how far posts are done, in the store, for a flow with `guarantee: exactly_once`.

use std::{
    hash::Hasher,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use kisflow_core::{Result, SourceContext, error_chain};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use tokio::time::sleep;

use crate::{keys::Keys, refusal::Refusal};

/// How often old keys are removed, and how many at once.
const PAUSE: Duration = Duration::from_secs(1);
const MOST_FORGOTTEN: usize = 100;
const SLACK_MS: u64 = 1_000;

/// The posts of one path in the store: a position for each idempotency key.
pub(crate) struct KeptPosts {
    context: SourceContext,
}

/// How far a post is done: the position of its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptPost {
    /// How many of its rows are done, from the first on.
    pub(crate) rows: usize,
    /// How many rows it has.
    pub(crate) of: usize,
    /// A hash of its body, which is the same in every process.
    pub(crate) body: u64,
    /// When rows of it were last handed out, in milliseconds since 1970.
    at_ms: u64,
}

impl KeptPosts {
    pub(crate) fn new(context: SourceContext) -> Self {
        Self { context }
    }

    /// All posts, by their keys.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) async fn all(&self) -> Result<Vec<(Arc<str>, KeptPost)>> {
        let all = self.context.positions().all().await?;
        let read = |(key, position): (String, Bytes)| {
            Some((key.into(), serde_json::from_slice(&position).ok()?))
        };
        Ok(all.into_iter().filter_map(read).collect())
    }

    /// How far the post with this key is done, which has these rows and this hash.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or the post had another body.
    pub(crate) async fn find(&self, key: &str, of: usize, body: u64) -> Result<KeptPost, Refusal> {
        let new = KeptPost { rows: 0, of, body, at_ms: now_ms() };
        let unread = |cause: String| Refusal::Kept { cause };
        let found = self.context.positions().load(key).await;
        let Some(found) = found.map_err(|error| unread(error_chain(&*error).to_string()))? else {
            return Ok(new);
        };
        let found: KeptPost =
            serde_json::from_slice(&found).map_err(|error| unread(error.to_string()))?;
        match (found.of, found.body) == (of, body) {
            true => {
                self.context.count_repeated(found.rows.min(of));
                Ok(found)
            }
            false => Err(Refusal::KeyOfOther),
        }
    }
}

/// Removes keys from the store that are not to be known any more.
pub(crate) async fn forget(context: SourceContext, keys: Arc<Keys>) {
    loop {
        sleep(PAUSE).await;
        loop {
            let forgotten = keys.take_forgotten(MOST_FORGOTTEN);
            let names: Vec<Arc<str>> = forgotten.iter().map(|(key, _)| key.clone()).collect();
            // Another process may have used it since.
            let is_old = |key: &str, position: &Bytes| {
                let used = forgotten.iter().find(|(name, _)| **name == *key).map(|(_, used)| *used);
                let post = serde_json::from_slice::<KeptPost>(position).ok();
                // Two clocks were read one after the other.
                let used = used.map(|used| used.saturating_add(SLACK_MS));
                !keys.is_in_progress(key) && used >= post.map(|post| post.at_ms)
            };
            let removed = context.positions().forget_old(&names, is_old).await;
            let is_removed = matches!(removed, Ok(true));
            let is_last = !is_removed || names.len() < MOST_FORGOTTEN;
            if !is_removed {
                // Others have changed one of them, or the store fails: the flow says so.
                keys.put_back(forgotten);
            }
            if is_last {
                break;
            }
        }
    }
}

impl KeptPost {
    /// Whether all its rows are done.
    pub(crate) fn is_done(&self) -> bool {
        self.rows >= self.of
    }

    /// How long ago it came.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_millis(now_ms().saturating_sub(self.at_ms))
    }

    /// The position behind so many of its rows.
    pub(crate) fn behind(&self, rows: usize) -> Vec<u8> {
        // Only numbers: it always has a JSON form.
        serde_json::to_vec(&Self { rows, at_ms: now_ms(), ..*self }).unwrap_or_default()
    }
}

pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// A hash of a body, which is the same in every process.
pub(crate) fn hash(body: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(body);
    hasher.finish()
}
