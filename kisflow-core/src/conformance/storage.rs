//! The rules that every [`Storage`] keeps, as a test for those who write one.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use super::done;
use crate::connector::{Fields, Record, Storage};

/// Longer than anything here takes, unless something waits for what never comes.
const LONG: Duration = Duration::from_secs(60);

/// Checks that an engine keeps the rules of [`Storage`]; needs the feature `conformance`.
///
/// It works on keys of its own, and removes them when it is done; what else the engine holds does
/// not matter. It needs a tokio runtime with time.
///
/// # Panics
///
/// With the rule that is broken.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use kisflow_core::{ConnConf, Connector, Memory, MemoryParams, conformance};
///
/// let memory = Memory::connect(&ConnConf::new("test", "memory"), MemoryParams::default()).await?;
/// conformance::storage(&memory).await;
/// # Ok::<(), kisflow_core::BoxError>(())
/// # }).unwrap();
/// ```
pub async fn storage(storage: &impl Storage) {
    let suite = Suite { storage, prefix: format!("conformance:{:016x}:", fastrand::u64(..)) };
    suite.put_and_get().await;
    suite.order().await;
    suite.parts_of_records().await;
    suite.later_wins().await;
    suite.removal().await;
    suite.any_text().await;
    suite.large_batches().await;
    suite.concurrent_puts().await;
    suite.waiting().await;
}

struct Suite<'a, S> {
    storage: &'a S,
    prefix: String,
}

impl<S: Storage> Suite<'_, S> {
    async fn put_and_get(&self) {
        let key = self.key("one");
        self.put([record(&key, &[("a", Some("1")), ("b", Some("two"))])]).await;
        let found = self.get(&[&key]).await;
        rule(
            "a record that was put comes back with its fields",
            &found,
            &[some(&[("a", "1"), ("b", "two")])],
        );
        rule(
            "a record that was never put is `None`",
            &self.get(&[&self.key("never")]).await,
            &[None],
        );
        rule("no keys give no records", &self.get::<&str>(&[]).await, &[]);
        self.put([]).await;
        self.put([record(&self.key("empty"), &[])]).await;
        rule(
            "a record that is put without fields is not there",
            &self.get(&[&self.key("empty")]).await,
            &[None],
        );
        self.put([record(&key, &[])]).await;
        let found = self.get(&[&key]).await;
        rule(
            "a record that is put without fields keeps those it has",
            &found,
            &[some(&[("a", "1"), ("b", "two")])],
        );
        self.remove(&[&key]).await;
    }

    async fn order(&self) {
        let [c, a, b] = ["c", "a", "b"].map(|name| self.key(name));
        self.put([&c, &a, &b].map(|key| record(key, &[("key", Some(key))]))).await;
        let of = |key: &String| some(&[("key", key.as_str())]);
        let found = self.get(&[&b, &self.key("missing"), &c, &a, &b]).await;
        let expected = [of(&b), None, of(&c), of(&a), of(&b)];
        rule(
            "records come in the order of the keys, `None` where one is missing, twice where asked twice",
            &found,
            &expected,
        );
        self.remove(&[a, b, c]).await;
    }

    async fn parts_of_records(&self) {
        let key = self.key("part");
        self.put([record(&key, &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))])]).await;
        self.put([record(&key, &[("b", Some("20"))])]).await;
        let found = self.get(&[&key]).await;
        rule(
            "a put leaves the fields alone that it does not mention",
            &found,
            &[some(&[("a", "1"), ("b", "20"), ("c", "3")])],
        );
        self.put([record(&key, &[("a", None), ("d", Some("4")), ("never", None)])]).await;
        let found = self.get(&[&key]).await;
        rule(
            "a field that is put as `None` is removed",
            &found,
            &[some(&[("b", "20"), ("c", "3"), ("d", "4")])],
        );
        self.put([record(&key, &[("b", None), ("c", None), ("d", None)])]).await;
        rule("a record with no fields left is gone", &self.get(&[&key]).await, &[None]);
        self.put([record(&key, &[("a", None)])]).await;
        rule(
            "removing a field of a record that is not there makes none",
            &self.get(&[&key]).await,
            &[None],
        );
    }

    async fn later_wins(&self) {
        let (key, other) = (self.key("twice"), self.key("other"));
        let first = record(&key, &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]);
        let between = record(&other, &[("a", Some("1"))]);
        self.put([first, between, record(&key, &[("b", Some("2")), ("c", None)])]).await;
        rule(
            "of two records with one key in one put the later wins",
            &self.get(&[&key]).await,
            &[some(&[("a", "1"), ("b", "2")])],
        );
        self.put([record(&key, &[("a", None), ("a", Some("3")), ("b", Some("3")), ("b", None)])])
            .await;
        rule(
            "of one field twice in a record the later wins",
            &self.get(&[&key]).await,
            &[some(&[("a", "3")])],
        );
        self.remove(&[&key, &other]).await;
    }

    async fn removal(&self) {
        let (key, other) = (self.key("gone"), self.key("stays"));
        self.put([record(&key, &[("a", Some("1"))]), record(&other, &[("a", Some("1"))])]).await;
        self.remove(&[key.clone(), self.key("absent"), key.clone()]).await;
        let found = self.get(&[&key, &other]).await;
        rule(
            "a removed record is gone, and no other; an absent one is no error",
            &found,
            &[None, some(&[("a", "1")])],
        );
        self.remove::<&str>(&[]).await;
        self.put([record(&key, &[("b", Some("2"))])]).await;
        rule(
            "a record that is put again has none of its old fields",
            &self.get(&[&key]).await,
            &[some(&[("b", "2")])],
        );
        self.remove(&[&key, &other]).await;
    }

    async fn any_text(&self) {
        let texts = [
            "",
            " ",
            "ключ 鍵 🔑",
            "a\nb\r\nc",
            "\0\u{1}\u{7f}",
            "{hash}",
            "*3\r\n$3\r\nSET",
            "\"quoted\\\"",
            "null",
        ];
        for text in texts {
            let key = self.key(text);
            self.put([record(&key, &[("value", Some(text)), (text, Some("name"))])]).await;
            let found = self.get(&[&key]).await;
            let rule_ =
                format!("any text can be a key, a field's name or its value, also {text:?}");
            rule(&rule_, &found, &[some(&[("value", text), (text, "name")])]);
            self.remove(&[&key]).await;
        }
        let (key, long) = (self.key("long"), "x".repeat(1 << 20));
        self.put([record(&key, &[("long", Some(&long))])]).await;
        let found = self.get(&[&key]).await;
        assert!(
            found == [some(&[("long", long.as_str())])],
            "broken rule: a text of a megabyte comes back as it was"
        );
        self.remove(&[&key]).await;
    }

    async fn large_batches(&self) {
        let keys: Vec<String> =
            (0..1_000).map(|index| self.key(&format!("many:{index}"))).collect();
        self.put(keys.iter().map(|key| record(key, &[("key", Some(key)), ("same", Some("x"))])))
            .await;
        let expected: Vec<Option<Fields>> =
            keys.iter().map(|key| some(&[("key", key), ("same", "x")])).collect();
        assert!(
            self.get(&keys).await == expected,
            "broken rule: 1,000 records can be put and read in one call"
        );
        self.remove(&keys).await;
        assert!(
            self.get(&keys).await.iter().all(Option::is_none),
            "broken rule: 1,000 records can be removed in one call"
        );
    }

    async fn concurrent_puts(&self) {
        let key = self.key("shared");
        for round in 0..20 {
            let value = round.to_string();
            let put = |field: &'static str| self.put([record(&key, &[(field, Some(&value))])]);
            tokio::join!(put("a"), put("b"), put("c"), put("d"));
            let expected = some(&[("a", &*value), ("b", &*value), ("c", &*value), ("d", &*value)]);
            let found = self.get(&[&key]).await;
            rule(
                "concurrent puts to different fields of one record all arrive",
                &found,
                &[expected],
            );
        }
        self.remove(&[&key]).await;
    }

    async fn waiting(&self) {
        let (here, late) = (self.key("here"), self.key("late"));
        self.put([record(&here, &[("a", Some("1"))])]).await;
        let started = Instant::now();
        let found = self.wait(&[&here], LONG * 60).await;
        rule("waiting for records that are there gives them", &found, &[some(&[("a", "1")])]);
        assert!(
            started.elapsed() < LONG,
            "broken rule: waiting for records that are all there returns at once"
        );

        let patience = Duration::from_millis(30);
        let started = Instant::now();
        let found = self.wait(&[&here, &late], patience).await;
        rule(
            "a record that did not come until the deadline is `None`, the others are given",
            &found,
            &[some(&[("a", "1")]), None],
        );
        assert!(
            started.elapsed() >= patience,
            "broken rule: waiting for a record that is not there lasts until the deadline"
        );

        let started = Instant::now();
        let asked = [&late, &here];
        let come = async {
            rule(
                "a record that nobody put is `None`, whoever waits for it",
                &self.get(&[&late]).await,
                &[None],
            );
            self.put([record(&late, &[("b", Some("2"))])]).await;
        };
        let (found, ()) = tokio::join!(self.wait(&asked, LONG * 60), come);
        let expected = [some(&[("b", "2")]), some(&[("a", "1")])];
        rule(
            "waiting sees a record that is put meanwhile, and keeps the order of the keys",
            &found,
            &expected,
        );
        assert!(
            started.elapsed() < LONG,
            "broken rule: waiting ends when the last record has come, not at the deadline"
        );
        self.remove(&[&here, &late]).await;
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn put(&self, records: impl IntoIterator<Item = Record>) {
        done("a put", self.storage.put(records.into_iter().collect()).await);
    }

    async fn get<K: AsRef<str>>(&self, keys: &[K]) -> Vec<Option<Fields>> {
        sorted(done("a get", self.storage.get(&owned(keys)).await))
    }

    async fn wait<K: AsRef<str>>(&self, keys: &[K], deadline: Duration) -> Vec<Option<Fields>> {
        let (keys, bound) = (owned(keys), LONG * 2);
        match tokio::time::timeout(bound, self.storage.wait(&keys, deadline)).await {
            Ok(found) => sorted(done("a wait", found)),
            Err(_) => panic!(
                "broken rule: waiting ends when the last record has come; it was still waiting after {bound:?}"
            ),
        }
    }

    async fn remove<K: AsRef<str>>(&self, keys: &[K]) {
        done("a removal", self.storage.remove(&owned(keys)).await);
    }
}

fn record(key: &str, fields: &[(&str, Option<&str>)]) -> Record {
    let field = |(name, text): &(&str, Option<&str>)| {
        (Cow::Owned((*name).to_owned()), text.map(str::to_owned))
    };
    Record { key: key.to_owned(), fields: fields.iter().map(field).collect() }
}

fn some(fields: &[(&str, &str)]) -> Option<Fields> {
    let mut fields: Fields =
        fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    fields.sort();
    Some(fields)
}

/// The order of a record's fields is the engine's own.
fn sorted(mut found: Vec<Option<Fields>>) -> Vec<Option<Fields>> {
    found.iter_mut().flatten().for_each(|fields| fields.sort());
    found
}

fn owned<K: AsRef<str>>(keys: &[K]) -> Vec<String> {
    keys.iter().map(|key| key.as_ref().to_owned()).collect()
}

fn rule(rule: &str, found: &[Option<Fields>], expected: &[Option<Fields>]) {
    assert!(found == expected, "broken rule: {rule}\n   found: {found:?}\nexpected: {expected:?}");
}
