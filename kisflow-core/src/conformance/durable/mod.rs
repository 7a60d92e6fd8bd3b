//! The rules of [`Durable`].

mod counters;
mod model;
mod races;
mod scans;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

pub use self::model::durable_random;
use super::done;
use crate::{
    durable::{Check, Commit, CommitError, CommitId, Durable, Entry, Key, Usage},
    error::BoxError,
};

/// How many random commits are made.
const COMMITS: usize = 1_000;
/// How late the usage of a space may be.
const USAGE: Duration = Duration::from_secs(10);

/// Checks that an engine keeps the rules of [`Durable`]; `reopen` closes it and opens it again, as
/// a new process would. Random commits are made from `seed`, which a broken rule prints.
///
/// It works in spaces of its own, and removes what it wrote.
///
/// # Panics
///
/// With the rule that is broken.
pub async fn durable<D, F>(first: D, reopen: impl Fn(D) -> F, seed: u64)
where
    D: Durable,
    F: Future<Output = D>,
{
    let world = World::new(first, seed);
    checks(&world).await;
    recognition(&world).await;
    counters::counters(&world).await;
    counters::appends(&world).await;
    counters::kinds(&world).await;
    refusals(&world).await;
    scans::scans(&world).await;
    model::random_commits(&world, COMMITS).await;
    let world = races::races(world).await;
    let world = reopened(world, &reopen).await;
    let engine = emptied(world).await;
    drop(reopen(engine).await);
}

/// An engine, and the spaces that the suite works in.
struct World<D> {
    engine: D,
    space: Arc<str>,
    other: Arc<str>,
    model: Arc<str>,
    seed: u64,
}

impl<D: Durable> World<D> {
    fn new(engine: D, seed: u64) -> Self {
        let space: Arc<str> = format!("conformance-{:016x}", fastrand::u64(..)).into();
        let (other, model) = (format!("{space}-other").into(), format!("{space}-model").into());
        Self { engine, space, other, model, seed }
    }

    fn key(&self, key: &str) -> Key {
        Key::raw(self.space.clone(), key)
    }

    async fn read(&self, key: &str) -> Option<Entry> {
        self.read_key(&self.key(key)).await
    }

    async fn read_key(&self, key: &Key) -> Option<Entry> {
        let found = done("a read", self.engine.read(std::slice::from_ref(key)).await);
        found.into_iter().next().flatten()
    }

    async fn value(&self, key: &str) -> Option<String> {
        let entry = self.read(key).await?;
        Some(String::from_utf8_lossy(&entry.value).into_owned())
    }

    async fn version(&self, key: &str) -> CommitId {
        self.read(key).await.map_or(CommitId::NONE, |entry| entry.version)
    }

    #[track_caller]
    fn commit(&self, commit: Commit) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let result = self.engine.commit(&commit).await;
            done(&format!("the commit of line {}", place.line()), result.map_err(BoxError::from));
        }
    }

    async fn refused(&self, commit: &Commit) -> String {
        match self.engine.commit(commit).await {
            Ok(()) => "no error".to_owned(),
            Err(CommitError::Conflict(keys)) => format!("conflict: {keys:?}"),
            Err(CommitError::Lost) => "lost".to_owned(),
            Err(CommitError::Exceeded(keys)) => format!("exceeded: {keys:?}"),
            Err(CommitError::TooLarge { .. }) => "too large".to_owned(),
            Err(CommitError::Invalid(_)) => "invalid".to_owned(),
            Err(CommitError::Outage(error)) => format!("an outage: {error}"),
        }
    }

    fn conflict(&self, keys: &[&str]) -> String {
        let keys: Vec<Key> = keys.iter().map(|key| self.key(key)).collect();
        format!("conflict: {keys:?}")
    }
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "what is expected is written where it is passed")]
fn rule<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(rule: &str, found: T, expected: U) {
    assert!(found == expected, "broken rule: {rule}; expected {expected:?}, got {found:?}");
}

async fn checks<D: Durable>(world: &World<D>) {
    let key = |name: &str| world.key(name);
    rule("a space that was never written has no entries", world.value("a").await, None::<String>);
    let first = Commit::new().put_new(key("a"), "1").put(key("b"), "2");
    world.commit(first.clone()).await;
    let entry = world.read("a").await;
    let expected = Entry { value: Bytes::from("1"), version: first.id() };
    rule("an entry has its value and its commit", entry, Some(expected));
    rule("one commit writes several entries", world.version("b").await, first.id());

    let again = Commit::new().put_new(key("c"), "3").put_new(key("a"), "2");
    let conflict = world.refused(&again).await;
    rule("`Absent` fails if there is an entry", conflict, world.conflict(&["a"]));
    rule("a refused commit changes nothing", world.value("c").await, None::<String>);

    let read = world.engine.read(&[key("b"), key("none"), key("a"), key("b")]).await;
    let found: Vec<_> =
        done("a read", read).into_iter().map(|entry| entry.map(|it| it.value)).collect();
    let (one, two) = (Some(Bytes::from("1")), Some(Bytes::from("2")));
    rule("a read answers in the order of its keys", found, [two.clone(), None, one, two]);

    let entry = world.read("a").await;
    let second = Commit::new().replace(key("a"), entry.as_ref(), "2").remove(key("b"));
    world.commit(second.clone()).await;
    rule("a checked entry is replaced", world.value("a").await.as_deref(), Some("2"));
    rule("a removed entry is gone", world.value("b").await, None::<String>);
    let twice = Commit::new().put(key("twice"), "1").remove(key("twice")).put(key("twice"), "2");
    world.commit(twice).await;
    rule(
        "the later of two changes of an entry wins",
        world.value("twice").await.as_deref(),
        Some("2"),
    );
    let late = Commit::new().replace(key("a"), entry.as_ref(), "3").put(key("d"), "4");
    rule(
        "`Version` fails if another commit wrote",
        world.refused(&late).await,
        world.conflict(&["a"]),
    );
    rule("a refused commit puts nothing", world.value("d").await, None::<String>);

    let both = Commit::new().check(key("b"), Check::Version(first.id())).replace(
        key("a"),
        entry.as_ref(),
        "3",
    );
    rule("all failed checks are named", world.refused(&both).await, world.conflict(&["a", "b"]));

    // The entry is removed and made again with the same value.
    let now = world.read("a").await;
    world.commit(Commit::new().remove(key("a"))).await;
    world.commit(Commit::new().put_new(key("a"), "2")).await;
    let aba = Commit::new().replace(key("a"), now.as_ref(), "5");
    rule("a version never comes back", world.refused(&aba).await, world.conflict(&["a"]));

    let below = |bytes: &'static str| {
        let fence = Commit::new().check(key("low"), Check::Below(bytes.into()));
        fence.put_new(key(&format!("fence {bytes}")), "")
    };
    world.commit(below("05")).await;
    world.commit(Commit::new().put(key("low"), "05")).await;
    rule(
        "`Below` fails if the value is equal",
        world.refused(&below("05")).await,
        world.conflict(&["fence 05", "low"]),
    );
    let lower = Commit::new().check(key("low"), Check::Below("04".into())).put_new(key("x"), "");
    rule(
        "`Below` fails if the value is greater",
        world.refused(&lower).await,
        world.conflict(&["low"]),
    );
    world.commit(below("06")).await;
    // Nothing is below the empty value: there is no entry then.
    let none = |name: &str, mark: &str| {
        Commit::new().check(key(name), Check::Below(Bytes::new())).put_new(key(mark), "")
    };
    world.commit(none("nowhere", "fence of nothing")).await;
    rule(
        "`Below` the empty value fails if there is an entry",
        world.refused(&none("low", "y")).await,
        world.conflict(&["low"]),
    );
    let shared = Key::raw(world.other.clone(), "a");
    rule("spaces are apart", world.read_key(&shared).await, None);
    world.commit(Commit::new().put(shared.clone(), "other").remove(key("a"))).await;
    rule(
        "one commit changes several spaces",
        world.read_key(&shared).await.map(|it| it.value),
        Some(Bytes::from("other")),
    );
    rule("one commit changes several spaces", world.value("a").await, None::<String>);
    world.commit(Commit::new()).await;
    let results = world
        .engine
        .commit_each(&[
            Commit::new().put_new(key("each"), "1"),
            Commit::new().put_new(key("each"), "2"),
            Commit::new().put(key("each 3"), "3"),
        ])
        .await;
    let won = results.iter().enumerate().filter(|(_, result)| result.is_ok());
    let won: Vec<usize> = won.map(|(at, _)| at).collect();
    assert!(
        won == [0, 2] || won == [1, 2],
        "broken rule: each of several commits wins or loses by itself; got {results:?}"
    );
}

async fn recognition<D: Durable>(world: &World<D>) {
    let key = world.key("again");
    let count = world.key("again count");
    let first = Commit::new().put_new(key.clone(), "1").add(count.clone(), 1);
    world.commit(first.clone()).await;
    world.commit(first.clone().sent_again()).await;
    rule(
        "a commit that is sent again has one effect",
        world.value("again count").await.as_deref(),
        Some("1"),
    );
    let entry = world.read("again").await;
    world.commit(Commit::new().replace(key.clone(), entry.as_ref(), "2")).await;
    let lost = world.refused(&first.clone().sent_again()).await;
    rule("a commit whose entries were overwritten is lost", lost, "lost");
    rule("a lost commit has no effect", world.value("again count").await.as_deref(), Some("1"));
    let bound = Check::Below("9".into());
    let below = Commit::new().check(world.key("again low"), bound).put(world.key("again low"), "1");
    let below = below.add(world.key("again low count"), 1);
    world.commit(below.clone()).await;
    world.commit(below.sent_again()).await;
    rule(
        "a commit is recognised by an entry whose check still holds",
        world.value("again low count").await.as_deref(),
        Some("1"),
    );
    let new = Commit::new().put_new(world.key("again new"), "1").sent_again();
    world.commit(new).await;
    rule(
        "a commit that never arrived takes effect",
        world.value("again new").await.as_deref(),
        Some("1"),
    );
    let partly = Commit::new()
        .put_new(world.key("again a"), "1")
        .put_new(world.key("again b"), "1")
        .add(count.clone(), 1);
    world.commit(partly.clone()).await;
    world.commit(Commit::new().remove(world.key("again a"))).await;
    world.commit(partly.sent_again()).await;
    rule(
        "one entry is enough to recognise a commit",
        world.value("again count").await.as_deref(),
        Some("2"),
    );
    rule("a recognised commit restores nothing", world.value("again a").await, None::<String>);
}

async fn refusals<D: Durable>(world: &World<D>) {
    let key = |name: &str| world.key(name);
    let absent = |name: &str| Commit::new().check(key(name), Check::Absent);
    let invalid = [
        absent("a"),
        absent("a").remove(key("a")),
        absent("a").put(key("b"), ""),
        Commit::new().put_new(key("a"), "").add(key("b"), 1).add(key("b"), 1),
        Commit::new().put_new(key("a"), "").add(key("b"), 1).put(key("b"), ""),
        Commit::new().check(key("a"), Check::Below("1".into())).remove(key("a")).add(key("b"), 1),
        Commit::new().add(key("a"), 1),
        Commit::new().append(key("a"), ""),
        absent("a").add(key("a"), 1),
        Commit::new().check(key("a"), Check::Version(CommitId::NONE)).put(key("a"), ""),
        Commit::new().put(Key::new("s".repeat(256)), ""),
    ];
    for commit in invalid {
        rule("an invalid commit is refused", world.refused(&commit).await, "invalid");
    }
    let limits = world.engine.limits();
    let many = (0..=limits.keys)
        .fold(Commit::new(), |commit, at| commit.put(key(&format!("many {at}")), ""));
    rule("a commit of too many keys is refused", world.refused(&many).await, "too large");
    let value = vec![0; limits.bytes];
    let large = Commit::new().put(key("large"), value.clone()).put(key("other"), value);
    rule("a commit of too many bytes is refused", world.refused(&large).await, "too large");
    let long = Key::raw(world.space.clone(), vec![b'k'; limits.key_bytes + 1]);
    rule(
        "a key that is too long is refused",
        world.refused(&Commit::new().put(long, "")).await,
        "too large",
    );
    let keys = limits.keys.min(2_000);
    let many =
        (0..keys).fold(Commit::new(), |commit, at| commit.put_new(key(&format!("many {at}")), "x"));
    world.commit(many).await;
    rule(
        "a commit may hold as much as its limits",
        world.value(&format!("many {}", keys - 1)).await.as_deref(),
        Some("x"),
    );
}

async fn reopened<D: Durable, F: Future<Output = D>>(
    world: World<D>,
    reopen: impl Fn(D) -> F,
) -> World<D> {
    let World { engine, space, other, model, seed } = world;
    let before = scans::all(&engine, &space).await;
    let usage = settled(&engine, &space, usage_of(&before)).await;
    let world = World { engine: reopen(engine).await, space, other, model, seed };
    let after = scans::all(&world.engine, &world.space).await;
    rule("what was written is there after the engine is opened again", after, before);
    let found = settled(&world.engine, &world.space, usage).await;
    rule("usage survives as well", found, usage);
    world
}

/// The usage of entries: counters do not count.
fn usage_of(entries: &[(Bytes, Entry)]) -> Usage {
    let counted = entries.iter().filter(|(_, entry)| entry.version != CommitId::NONE);
    counted.fold(Usage::default(), |usage, (key, entry)| Usage {
        entries: usage.entries + 1,
        bytes: usage.bytes + (key.len() + entry.value.len()) as u64,
    })
}

/// Waits until a space's usage, which may be late, is the expected one; returns it.
async fn settled<D: Durable>(engine: &D, space: &str, expected: Usage) -> Usage {
    let begun = tokio::time::Instant::now();
    loop {
        let usage = done("a look at the usage", engine.usage(space).await);
        if usage == expected {
            return usage;
        }
        assert!(
            begun.elapsed() < USAGE,
            "broken rule: usage counts entries, and the bytes of keys and values; expected {expected:?}, got {usage:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn emptied<D: Durable>(world: World<D>) -> D {
    for space in [&world.space, &world.other, &world.model] {
        let all = scans::all(&world.engine, space).await;
        let keys = all.into_iter().map(|(key, _)| (Key::raw(space.clone(), &*key), None));
        for commit in Commit::split(keys, world.engine.limits()) {
            world.commit(commit).await;
        }
        rule("an emptied space has no entries", scans::all(&world.engine, space).await, []);
        settled(&world.engine, space, Usage::default()).await;
    }
    world.engine
}
