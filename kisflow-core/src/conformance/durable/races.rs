//! Commits of several tasks at the same time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::task::JoinSet;

use super::{World, rule};
use crate::durable::{Check, Commit, CommitError, Durable, Entry, Key, Scan};

const TASKS: usize = 8;
const ROUNDS: usize = 40;

/// Lets tasks write the same entries.
pub(super) async fn races<D: Durable>(world: World<D>) -> World<D> {
    let world = Arc::new(world);
    increments(&world).await;
    winners(&world).await;
    transfers(&world).await;
    skew(&world).await;
    sums(&world).await;
    groups(&world).await;
    fences(&world).await;
    repeats(&world).await;
    kinds(&world).await;
    match Arc::try_unwrap(world) {
        Ok(world) => world,
        Err(_) => unreachable!("every task has ended"),
    }
}

/// Runs a task for each number.
async fn tasks<F>(count: usize, task: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut set: JoinSet<()> = (0..count).map(task).collect();
    while let Some(done) = set.join_next().await {
        if let Err(error) = done {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl<D: Durable> World<D> {
    /// Whether the commit took effect. It may conflict or exceed a maximum.
    async fn wins(&self, commit: &Commit) -> bool {
        match self.engine.commit(commit).await {
            Ok(()) => true,
            Err(CommitError::Conflict(_) | CommitError::Exceeded(_)) => false,
            Err(error) => panic!("broken rule: a race ends with a winner; it failed: {error:?}"),
        }
    }

    /// A commit that can be recognised.
    fn marked(&self, mark: &str) -> Commit {
        Commit::new().put_new(self.key(mark), "")
    }
}

fn number(entry: Option<&Entry>) -> i64 {
    entry.map_or(0, Entry::count)
}

async fn increments<D: Durable>(world: &Arc<World<D>>) {
    tasks(TASKS, |_| {
        let world = world.clone();
        async move {
            let key = world.key("increments");
            for _ in 0..ROUNDS {
                loop {
                    let entry = world.read_key(&key).await;
                    let next = (number(entry.as_ref()) + 1).to_string();
                    if world.wins(&Commit::new().replace(key.clone(), entry.as_ref(), next)).await {
                        break;
                    }
                }
            }
        }
    })
    .await;
    let found = world.read("increments").await;
    rule("no update is lost", number(found.as_ref()), (TASKS * ROUNDS) as i64);
}

async fn winners<D: Durable>(world: &Arc<World<D>>) {
    let wins = Arc::new(AtomicU64::new(0));
    tasks(TASKS, |task| {
        let (world, wins) = (world.clone(), wins.clone());
        async move {
            for round in 0..ROUNDS {
                let key = world.key(&format!("winner {round}"));
                let won = world.wins(&Commit::new().put_new(key, task.to_string())).await;
                wins.fetch_add(u64::from(won), Ordering::SeqCst);
            }
        }
    })
    .await;
    rule(
        "one of several that need an absent entry wins",
        wins.load(Ordering::SeqCst),
        ROUNDS as u64,
    );
}

/// Each moves between two entries, in any order of the keys.
async fn transfers<D: Durable>(world: &Arc<World<D>>) {
    const ACCOUNTS: usize = 5;
    let account = |at: usize| format!("account {at}");
    let commit =
        (0..ACCOUNTS).fold(Commit::new(), |commit, at| commit.put(world.key(&account(at)), "100"));
    world.commit(commit).await;
    tasks(TASKS, |task| {
        let world = world.clone();
        let mut random = fastrand::Rng::with_seed(world.seed ^ task as u64);
        async move {
            for _ in 0..ROUNDS {
                let from = random.usize(..ACCOUNTS);
                let to = (from + random.usize(1..ACCOUNTS)) % ACCOUNTS;
                let (from, to) = (world.key(&account(from)), world.key(&account(to)));
                loop {
                    let (left, right) = (world.read_key(&from).await, world.read_key(&to).await);
                    let moved = Commit::new()
                        .replace(
                            from.clone(),
                            left.as_ref(),
                            (number(left.as_ref()) - 1).to_string(),
                        )
                        .replace(
                            to.clone(),
                            right.as_ref(),
                            (number(right.as_ref()) + 1).to_string(),
                        );
                    if world.wins(&moved).await {
                        break;
                    }
                }
            }
        }
    })
    .await;
    let mut sum = 0;
    for at in 0..ACCOUNTS {
        sum += number(world.read(&account(at)).await.as_ref());
    }
    rule("two entries change together", sum, 100 * ACCOUNTS as i64);
}

/// Each puts one entry if the other one is unchanged.
async fn skew<D: Durable>(world: &Arc<World<D>>) {
    for round in 0..ROUNDS {
        let wins = Arc::new(AtomicU64::new(0));
        let keys = [world.key(&format!("skew {round} a")), world.key(&format!("skew {round} b"))];
        let both = keys.iter().fold(Commit::new(), |commit, key| commit.put(key.clone(), "0"));
        world.commit(both).await;
        let entries = [world.read_key(&keys[0]).await, world.read_key(&keys[1]).await];
        tasks(2, |task| {
            let (world, wins) = (world.clone(), wins.clone());
            let ([mine, other], [entry, unchanged]) = match task {
                0 => (keys.clone(), entries.clone()),
                _ => ([keys[1].clone(), keys[0].clone()], [entries[1].clone(), entries[0].clone()]),
            };
            async move {
                let commit = Commit::new()
                    .replace(mine, entry.as_ref(), "1")
                    .check_unchanged(other, unchanged.as_ref());
                wins.fetch_add(u64::from(world.wins(&commit).await), Ordering::SeqCst);
            }
        })
        .await;
        rule(
            "an entry that is only checked does not change either",
            wins.load(Ordering::SeqCst),
            1,
        );
    }
}

async fn sums<D: Durable>(world: &Arc<World<D>>) {
    const MOST: i64 = 100;
    let wins = Arc::new(AtomicU64::new(0));
    tasks(TASKS, |task| {
        let (world, wins) = (world.clone(), wins.clone());
        async move {
            for round in 0..ROUNDS {
                let add = world.marked(&format!("sum {task} {round}")).add(world.key("sum"), 1);
                assert!(world.wins(&add).await, "broken rule: two additions do not conflict");
                let limited = world.marked(&format!("limited {task} {round}"));
                let limited = limited.add_up_to(world.key("limited"), 1, MOST);
                wins.fetch_add(u64::from(world.wins(&limited).await), Ordering::SeqCst);
            }
        }
    })
    .await;
    let sum = world.read("sum").await;
    rule("no addition is lost", number(sum.as_ref()), (TASKS * ROUNDS) as i64);
    rule("a maximum holds for all", wins.load(Ordering::SeqCst), MOST as u64);
    rule("a maximum holds for all", number(world.read("limited").await.as_ref()), MOST);
}

/// A reader that goes on behind the last number misses none.
async fn groups<D: Durable>(world: &Arc<World<D>>) {
    let group = Key::new(world.space.clone()).text("raced");
    tasks(TASKS, |task| {
        let (world, group) = (world.clone(), group.clone());
        async move {
            if task > 0 {
                for round in 0..ROUNDS {
                    let commit = world.marked(&format!("append {task} {round}"));
                    let commit = commit.append(group.clone(), format!("{task} {round}"));
                    assert!(world.wins(&commit).await, "broken rule: two appends do not conflict");
                }
                return;
            }
            let (mut last, all) = (0, ((TASKS - 1) * ROUNDS) as i64);
            while last < all {
                let behind = group.numbered(last).to_bytes();
                let scan = Scan::of(world.space.clone()).prefix(group.bytes()).after(behind);
                for (key, _) in super::done("a scan", world.engine.scan(&scan).await) {
                    last += 1;
                    rule("numbers become visible in order", &*key, group.numbered(last).bytes());
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

/// What needs an entry below a bound fails once the bound was reached.
async fn fences<D: Durable>(world: &Arc<World<D>>) {
    let reached = Arc::new(AtomicU64::new(0));
    tasks(TASKS, |task| {
        let (world, reached) = (world.clone(), reached.clone());
        async move {
            let text = |bound: u64| format!("{bound:08}");
            for round in 1..=ROUNDS as u64 {
                if task == 0 {
                    world.commit(Commit::new().put(world.key("bound"), text(round))).await;
                    reached.store(round, Ordering::SeqCst);
                    continue;
                }
                let before = reached.load(Ordering::SeqCst);
                let commit = world.marked(&format!("bound {task} {round}"));
                let commit = commit.check(world.key("bound"), Check::Below(text(round).into()));
                let won = world.wins(&commit).await;
                assert!(
                    !won || before < round,
                    "broken rule: `Below` fails once the value is reached"
                );
            }
        }
    })
    .await;
}

/// A commit is sent again while it is on its way.
async fn repeats<D: Durable>(world: &Arc<World<D>>) {
    for round in 0..ROUNDS {
        let commit = world.marked(&format!("repeat {round}")).add(world.key("repeats"), 1);
        tasks(2, |task| {
            let (world, commit) = (world.clone(), commit.clone());
            async move {
                let commit = if task == 0 { commit } else { commit.sent_again() };
                assert!(
                    world.wins(&commit).await,
                    "broken rule: a commit that is sent twice succeeds"
                );
            }
        })
        .await;
    }
    let found = world.read("repeats").await;
    rule("a commit that is sent twice has one effect", number(found.as_ref()), ROUNDS as i64);
}

/// One puts a value, the other adds to the same key.
async fn kinds<D: Durable>(world: &Arc<World<D>>) {
    for round in 0..ROUNDS {
        let wins = Arc::new(AtomicU64::new(0));
        tasks(2, |task| {
            let (world, wins) = (world.clone(), wins.clone());
            let key = world.key(&format!("kind {round}"));
            async move {
                let commit = match task {
                    0 => Commit::new().put(key, "1"),
                    _ => world.marked(&format!("kind mark {round}")).add(key, 1),
                };
                match world.engine.commit(&commit).await {
                    Ok(()) => drop(wins.fetch_add(1, Ordering::SeqCst)),
                    Err(CommitError::Invalid(_)) => {}
                    Err(error) => panic!("broken rule: an entry is of one kind; got {error:?}"),
                }
            }
        })
        .await;
        rule("an entry becomes a value or a counter", wins.load(Ordering::SeqCst), 1);
    }
}
