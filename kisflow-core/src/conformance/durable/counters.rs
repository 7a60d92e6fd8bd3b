//! The rules of counters, and of the groups that number what is appended to them.

use bytes::Bytes;

use super::{World, rule};
use crate::durable::{Check, Commit, CommitError, CommitId, Durable, Key};

pub(super) async fn counters<D: Durable>(world: &World<D>) {
    let (count, mark) = (world.key("count"), world.key("count mark"));
    let add = async |by: i64, max: Option<i64>| {
        let entry = world.read("count mark").await;
        let commit = Commit::new().replace(mark.clone(), entry.as_ref(), "");
        let commit = match max {
            None => commit.add(count.clone(), by),
            Some(max) => commit.add_up_to(count.clone(), by, max),
        };
        world.refused(&commit).await
    };
    rule("a counter begins at 0", add(5, None).await, "no error");
    rule("a counter is decimal text", world.value("count").await.as_deref(), Some("5"));
    rule("a counter has no version", world.version("count").await, CommitId::NONE);
    rule("a counter may be lowered", add(-7, None).await, "no error");
    rule("a counter may be negative", world.value("count").await.as_deref(), Some("-2"));
    rule("a counter may reach its maximum", add(12, Some(10)).await, "no error");
    let exceeded = format!("exceeded: {:?}", [&count]);
    rule("a counter may not pass its maximum", add(1, Some(10)).await, exceeded.clone());
    rule("a refused addition adds nothing", world.value("count").await.as_deref(), Some("10"));
    rule("a counter holds 63 bits", add(i64::MAX - 10, None).await, "no error");
    rule("a counter does not overflow", add(1, None).await, exceeded);
    world.commit(Commit::new().remove(count.clone())).await;
    rule("a removed counter is gone", world.value("count").await, None::<String>);
    rule("a removed counter begins anew", add(1, None).await, "no error");
    rule("a removed counter begins at 0", world.value("count").await.as_deref(), Some("1"));
}

pub(super) async fn appends<D: Durable>(world: &World<D>) {
    let (group, other) = (Key::new(world.space.clone()).text("group"), world.key("group"));
    let mark = world.key("group mark");
    let append = Commit::new().put_new(mark.clone(), "").append(group.clone(), "a");
    let append = append.append(other.clone(), "z").append(group.clone(), "b");
    world.commit(append.clone()).await;
    world.commit(append.sent_again()).await;
    let entry = world.read("group mark").await;
    let third = Commit::new().replace(mark, entry.as_ref(), "").append(group.clone(), "c");
    world.commit(third.clone()).await;
    let mut found = Vec::new();
    for number in 0..=4 {
        found.push(world.read_key(&group.numbered(number)).await.map(|entry| entry.value));
    }
    let value = |text: &'static str| Some(Bytes::from(text));
    let expected = [None, value("a"), value("b"), value("c"), None];
    rule("appended values are numbered from 1 on, each group by itself", found, expected);
    let last = world.read_key(&group).await.map(|entry| entry.value);
    rule("a group has the last number", last, value("3"));
    let full = world.key("full group");
    world
        .commit(Commit::new().put_new(world.key("full mark"), "").add(full.clone(), i64::MAX))
        .await;
    let append = Commit::new().put_new(world.key("full entry"), "").append(full.clone(), "a");
    let exceeded = format!("exceeded: {:?}", [&full]);
    rule("a group has no number behind the last one", world.refused(&append).await, exceeded);
    rule("a refused append puts nothing", world.value("full entry").await, None::<String>);
    let version = world.read_key(&group.numbered(3)).await.map(|entry| entry.version);
    rule("an appended entry has the version of its commit", version, Some(third.id()));
    let last = world.read_key(&other.numbered(1)).await.map(|entry| entry.value);
    rule("each group has numbers of its own", last, value("z"));
}

/// Values are not used as counters, nor counters as values.
pub(super) async fn kinds<D: Durable>(world: &World<D>) {
    let (value, counter) = (world.key("kind value"), world.key("kind counter"));
    let mark = || Commit::new().put_new(world.key("kind mark"), "");
    let made = Commit::new().put_new(world.key("kind made"), "");
    world.commit(made.put(value.clone(), "7").add(counter.clone(), 7)).await;
    let below = Check::Below("9".into());
    let wrong = [
        ("a value is not put on a counter", &counter, Commit::new().put(counter.clone(), "1")),
        ("a counter is not checked", &counter, mark().check(counter.clone(), below.clone())),
        (
            "a counter is not checked to put a value",
            &counter,
            Commit::new().check(counter.clone(), below).put(counter.clone(), "1"),
        ),
        ("a value is not added to", &value, mark().add(value.clone(), 1)),
        ("a value has no maximum", &value, mark().add_up_to(value.clone(), 1, 1)),
        ("a value is no group", &value, mark().append(value.clone(), "1")),
    ];
    for (name, key, commit) in &wrong {
        let found = match world.engine.commit(commit).await {
            Err(CommitError::Invalid(why)) if why.contains(&key.to_string()) => "names the key",
            Err(CommitError::Invalid(_)) => "names no key",
            _ => "is not invalid",
        };
        rule(name, found, "names the key");
    }
    rule("a commit of the wrong kind puts nothing", world.value("kind mark").await, None::<String>);
    rule("a value stays", world.value("kind value").await.as_deref(), Some("7"));
    rule("a counter stays", world.value("kind counter").await.as_deref(), Some("7"));
    let new = Commit::new().put_new(counter.clone(), "1");
    let conflict = world.conflict(&["kind counter"]);
    rule("a counter is not absent", world.refused(&new).await, conflict);
    world.commit(Commit::new().remove(counter.clone()).remove(value.clone())).await;
    world.commit(mark().put(counter, "1").add(value, 1)).await;
    rule(
        "a removed counter may become a value",
        world.value("kind counter").await.as_deref(),
        Some("1"),
    );
    rule(
        "a removed value may become a counter",
        world.value("kind value").await.as_deref(),
        Some("1"),
    );
    let later = Commit::new().put_new(world.key("kind later"), "").add(world.key("kind value"), 1);
    rule("a removed value may become a counter", world.refused(&later).await, "no error");
}
