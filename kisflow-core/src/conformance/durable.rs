//! The rules of [`Durable`].

use bytes::Bytes;

use super::done;
use crate::durable::{Change, Durable, Usage};

/// Checks that an engine keeps the rules of [`Durable`]; `reopen` closes it and opens it again, as
/// a new process would.
///
/// It works in spaces of its own, and removes what it wrote.
///
/// # Panics
///
/// With the rule that is broken.
pub async fn durable<D, F>(first: D, reopen: impl Fn(D) -> F)
where
    D: Durable,
    F: Future<Output = D>,
{
    let space = format!("conformance-{:016x}", fastrand::u64(..));
    let other = format!("{space}-other");
    let engine = first;

    rule("a space that was never written is empty", &scan(&engine, &space, "", 10).await, &[]);
    assert_eq!(usage(&engine, &space).await, Usage::default(), "broken rule: and has no bytes");
    assert_eq!(read(&engine, &space, "a").await, None, "broken rule: and no entries");
    done("writing nothing", engine.write(Vec::new()).await);

    let put =
        |key: &str, value: &str| Change::put(&space, key, Bytes::copy_from_slice(value.as_bytes()));
    done(
        "a write",
        engine.write(vec![put("b", "2"), put("a", "1"), put("ä", "3"), put("B", "4")]).await,
    );
    rule(
        "entries come in the order of their keys' bytes",
        &scan(&engine, &space, "", 10).await,
        &[("B", "4"), ("a", "1"), ("b", "2"), ("ä", "3")],
    );
    rule(
        "a scan begins behind `after`",
        &scan(&engine, &space, "a", 10).await,
        &[("b", "2"), ("ä", "3")],
    );
    rule("`after` need not be there", &scan(&engine, &space, "C", 1).await, &[("a", "1")]);
    rule(
        "a scan gives at most `limit` entries",
        &scan(&engine, &space, "", 2).await,
        &[("B", "4"), ("a", "1")],
    );
    assert_eq!(
        usage(&engine, &space).await,
        Usage { entries: 4, bytes: 9 },
        "broken rule: usage counts entries, and the bytes of keys and values"
    );

    done(
        "a write",
        engine
            .write(vec![put("a", "eleven"), put("a", "one"), Change::remove(&space, "never")])
            .await,
    );
    assert_eq!(
        read(&engine, &space, "a").await.as_deref(),
        Some("one".as_bytes()),
        "broken rule: the later of two changes of an entry wins"
    );
    assert_eq!(
        usage(&engine, &space).await,
        Usage { entries: 4, bytes: 11 },
        "broken rule: an entry that is written again counts once"
    );
    let moved = vec![Change::remove(&space, "a"), Change::put(&other, "a", "one")];
    done("a write to two spaces", engine.write(moved).await);
    rule("spaces are apart", &scan(&engine, &other, "", 10).await, &[("a", "one")]);
    assert_eq!(read(&engine, &space, "a").await, None, "broken rule: a removed entry is gone");

    let engine = reopen(engine).await;
    rule(
        "what was written is there after the engine is opened again",
        &scan(&engine, &space, "", 10).await,
        &[("B", "4"), ("b", "2"), ("ä", "3")],
    );
    assert_eq!(
        usage(&engine, &space).await,
        Usage { entries: 3, bytes: 7 },
        "broken rule: usage survives as well"
    );

    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let odd = ["", " ", "a\nb", "a\0b", "{x}:[", "🔑", &"k".repeat(1024)];
    let changes = odd.iter().map(|key| Change::put(&other, *key, bytes.clone()));
    done("a large write", engine.write(changes.collect()).await);
    for key in odd {
        assert!(
            read(&engine, &other, key).await.as_deref() == Some(&bytes),
            "broken rule: any text up to 1 KiB is a key, any bytes a value, also {key:?}"
        );
    }

    let many: Vec<Change> = (0..2_000).map(|index| put(&format!("many-{index:05}"), "x")).collect();
    done("a write of 2,000 entries", engine.write(many).await);
    let mut after = "many-".to_owned();
    let mut found = 0;
    loop {
        let page = done("a scan", engine.scan(&space, &after, 300).await);
        let Some((last, _)) = page.iter().rfind(|(key, _)| key.starts_with("many-")) else { break };
        after.clone_from(last);
        found += page.iter().filter(|(key, _)| key.starts_with("many-")).count();
    }
    assert_eq!(found, 2_000, "broken rule: pages of a scan give every entry once");

    for name in [&space, &other] {
        loop {
            let page = done("a scan", engine.scan(name, "", 1_000).await);
            // "" is a key like any other, and no scan is behind it.
            let mut gone: Vec<Change> =
                page.iter().map(|(key, _)| Change::remove(name, key)).collect();
            gone.push(Change::remove(name, ""));
            done("a removal", engine.write(gone).await);
            if page.is_empty() {
                break;
            }
        }
        assert_eq!(
            usage(&engine, name).await,
            Usage::default(),
            "broken rule: an emptied space has no bytes"
        );
    }
    drop(reopen(engine).await);
}

async fn scan(
    engine: &impl Durable,
    space: &str,
    after: &str,
    limit: usize,
) -> Vec<(String, Bytes)> {
    done("a scan", engine.scan(space, after, limit).await)
}

async fn read(engine: &impl Durable, space: &str, key: &str) -> Option<Bytes> {
    done("a read", engine.read(space, key).await)
}

async fn usage(engine: &impl Durable, space: &str) -> Usage {
    done("a look at the usage", engine.usage(space).await)
}

#[track_caller]
fn rule(rule: &str, found: &[(String, Bytes)], expected: &[(&str, &str)]) {
    let found: Vec<(&str, &[u8])> = found.iter().map(|(key, value)| (&**key, &**value)).collect();
    let expected: Vec<(&str, &[u8])> =
        expected.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
    assert_eq!(found, expected, "broken rule: {rule}");
}
