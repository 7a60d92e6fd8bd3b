//! The rules of scans, and of what keys and values may be.

use bytes::Bytes;

use super::{World, done, rule};
use crate::durable::{Commit, Durable, Entry, Key, Scan};

pub(super) async fn scans<D: Durable>(world: &World<D>) {
    let space = world.other.clone();
    let key = |key: &str| Key::raw(space.clone(), key);
    let put = ["b", "B", "a", "ä", "bb", "c"];
    let commit =
        put.iter().fold(Commit::new(), |commit, name| commit.put(key(name), format!("is {name}")));
    world.commit(commit).await;
    let scan = async |scan: Scan| -> Vec<String> {
        let found = pages(&world.engine, scan).await;
        found.into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect()
    };
    let of = || Scan::of(space.clone());
    rule(
        "entries come in the order of their keys' bytes",
        scan(of()).await,
        ["B", "a", "b", "bb", "c", "ä"],
    );
    rule("a scan may go backwards", scan(of().backwards()).await, ["ä", "c", "bb", "b", "a", "B"]);
    rule("a scan begins behind `after`", scan(of().after("a")).await, ["b", "bb", "c", "ä"]);
    rule("`after` need not be there", scan(of().after("aa")).await, ["b", "bb", "c", "ä"]);
    rule("backwards `after` is the end", scan(of().after("b").backwards()).await, ["a", "B"]);
    rule("a scan has a start and an end", scan(of().from("a").to("bb")).await, ["a", "b"]);
    rule("a scan of a prefix has what begins so", scan(of().prefix(b"b")).await, ["b", "bb"]);
    rule(
        "a scan of a prefix goes backwards",
        scan(of().prefix(b"b").backwards()).await,
        ["bb", "b"],
    );
    rule("an empty range has no entries", scan(of().from("b").to("b")).await, [""; 0]);
    let page = done("a scan", world.engine.scan(&of().limit(2)).await);
    assert!(page.len() <= 2, "broken rule: a page has at most `limit` entries; got {}", page.len());
    rule(
        "pages of one entry give each once",
        scan(of().limit(1)).await,
        ["B", "a", "b", "bb", "c", "ä"],
    );
    let backwards = scan(of().limit(1).backwards()).await;
    rule("pages of one entry go backwards", backwards, ["ä", "c", "bb", "b", "a", "B"]);
    let page = done("a scan", world.engine.scan(&of().from("b").limit(1)).await);
    let whole = world.read_key(&key("b")).await;
    rule(
        "a scan gives values and versions",
        page.first().map(|(_, entry)| entry.clone()),
        whole.clone(),
    );
    let page = done("a scan", world.engine.scan(&of().from("b").limit(1).keys_only()).await);
    let keys = whole.map(|entry| Entry { value: Bytes::new(), ..entry });
    rule("a scan of keys gives no values", page.first().map(|(_, entry)| entry.clone()), keys);
    odd(world).await;
}

/// Any bytes are a key, any bytes a value.
async fn odd<D: Durable>(world: &World<D>) {
    let value: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let keys: [&[u8]; 8] = [
        b"",
        b" ",
        b"a\nb",
        b"a\0b",
        b"{x}:[",
        "🔑".as_bytes(),
        b"\xff\xfe\x00",
        &vec![b'k'; world.engine.limits().key_bytes],
    ];
    for odd in keys {
        let key = Key::raw(world.other.clone(), odd);
        world.commit(Commit::new().put(key.clone(), value.clone())).await;
        let found = world.read_key(&key).await.map(|entry| entry.value);
        assert!(
            found.as_deref() == Some(&value),
            "broken rule: any bytes up to the limit are a key, any bytes a value, also {:?}",
            odd.escape_ascii().to_string()
        );
    }
    let found: Vec<_> =
        all(&world.engine, &world.other).await.into_iter().map(|(key, _)| key).collect();
    for odd in keys {
        assert!(
            found.iter().any(|key| key == odd),
            "broken rule: a scan gives every key, also {:?}",
            odd.escape_ascii().to_string()
        );
    }
}

/// All entries of a space.
pub(super) async fn all<D: Durable>(engine: &D, space: &str) -> Vec<(Bytes, Entry)> {
    pages(engine, Scan::of(space).limit(300)).await
}

/// All entries of a scan.
pub(super) async fn pages<D: Durable>(engine: &D, scan: Scan) -> Vec<(Bytes, Entry)> {
    let (mut found, mut next) = (Vec::new(), scan.clone());
    loop {
        let page = done("a scan", engine.scan(&next).await);
        let Some((last, _)) = page.last() else { return found };
        next = scan.clone().after(last.clone());
        found.extend(page);
        let is_sorted = found.is_sorted_by(|(one, _), (other, _)| match scan.is_backwards() {
            false => one < other,
            true => one > other,
        });
        assert!(is_sorted, "broken rule: pages of a scan give every entry once, in order");
    }
}
