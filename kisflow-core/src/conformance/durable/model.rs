//! Random commits, held against a model.

use super::{World, scans::all};
use crate::durable::{Check, Commit, CommitId, Durable, Key, MemoryStore};

/// So few keys that commits meet.
const KEYS: usize = 12;

/// Makes the same random commits in an engine and in a [`MemoryStore`]: they have the same results.
///
/// It works in a space of its own, and leaves what it wrote.
///
/// # Panics
///
/// With the rule that is broken, the seed and the number of the commit.
pub async fn durable_random<D: Durable>(engine: D, seed: u64, commits: usize) {
    random_commits(&World::new(engine, seed), commits).await;
}

pub(super) async fn random_commits<D: Durable>(world: &World<D>, commits: usize) {
    let mut random = fastrand::Rng::with_seed(world.seed);
    let model = MemoryStore::default();
    // The versions that entries had at any time.
    let mut versions: Vec<CommitId> = vec![Commit::new().id()];
    let mut sent: Vec<Commit> = Vec::new();
    let place = |commits: usize| format!("commit {commits} of seed {}", world.seed);
    for number in 0..commits {
        let commit = match random.u8(..) {
            0..16 if !sent.is_empty() => {
                let at = random.usize(..sent.len());
                sent.swap_remove(at).sent_again()
            }
            _ => commit(&mut random, &model, &versions, world).await,
        };
        let expected = format!("{:?}", model.commit(&commit).await);
        let found = format!("{:?}", world.engine.commit(&commit).await);
        assert!(
            found == expected,
            "broken rule: {}: expected {expected}, got {found}: {commit:?}",
            place(number)
        );
        versions.push(commit.id());
        if versions.len() > 64 {
            versions.remove(random.usize(..64));
        }
        sent.push(commit);
        if sent.len() > 32 {
            drop(sent.swap_remove(random.usize(..32)));
        }
        if number % 500 == 0 || number + 1 == commits {
            let expected = all(&model, &world.model).await;
            let found = all(&world.engine, &world.model).await;
            assert!(
                found == expected,
                "broken rule: after {} the entries are {expected:?}, got {found:?}",
                place(number)
            );
        }
    }
}

async fn commit<D: Durable>(
    random: &mut fastrand::Rng,
    model: &MemoryStore,
    versions: &[CommitId],
    world: &World<D>,
) -> Commit {
    let space = &world.model;
    let key = |at: usize| Key::raw(space.clone(), format!("{at:02}"));
    let mut commit = Commit::new();
    let mut keys: Vec<usize> = (0..KEYS).collect();
    random.shuffle(&mut keys);
    keys.truncate(random.usize(1..5));
    for at in keys {
        // A third of the keys are counters, and two are groups.
        commit = match at {
            0..4 => match random.u8(..16) {
                0..5 => commit.add(key(at), random.i64(-5..5)),
                5..10 => commit.add_up_to(key(at), random.i64(-5..5), random.i64(0..10)),
                10..15 => commit.remove(key(at)),
                // A counter where a value is, or the other way round.
                _ => entry(random, commit, key(at), model, versions).await,
            },
            4..6 => commit.append(Key::raw(space.clone(), format!("group {at}")), format!("{at}")),
            _ => entry(random, commit, key(at), model, versions).await,
        };
    }
    // Counters need an entry by which the commit is recognised.
    let mark = Key::raw(space.clone(), "mark");
    let found =
        model.read(std::slice::from_ref(&mark)).await.ok().and_then(|mut found| found.pop()?);
    commit.replace(mark, found.as_ref(), "")
}

async fn entry(
    random: &mut fastrand::Rng,
    commit: Commit,
    key: Key,
    model: &MemoryStore,
    versions: &[CommitId],
) -> Commit {
    let found =
        model.read(std::slice::from_ref(&key)).await.ok().and_then(|mut found| found.pop()?);
    let value = format!("{:02}", random.u8(..50));
    match random.u8(..10) {
        0 => commit.put(key, value),
        1 => commit.remove(key),
        2 => commit.put_new(key, value),
        3 => {
            let version = random.choice(versions).copied().unwrap_or(CommitId::NONE);
            commit.check(key.clone(), Check::Version(version)).put(key, value)
        }
        4 => commit.check(key, Check::Below(value.into())),
        5 => commit.check(key.clone(), Check::Below(value.clone().into())).put(key, value),
        6 => match found {
            Some(found) => commit.remove_unchanged(key, &found),
            None => commit.put_new(key, value),
        },
        7 => match found {
            Some(found) => commit.check_unchanged(key, Some(&found)),
            None => commit,
        },
        _ => commit.replace(key, found.as_ref(), value),
    }
}
