//! [`Decision`]: what a commit does to entries as they are.

use std::collections::BTreeMap;

use super::{Change, Check, Commit, CommitError, Entry, Key};

/// What a commit does to entries as they are.
#[derive(Debug)]
pub enum Decision {
    /// Its checks hold: make its changes.
    Apply,
    /// It took effect before.
    Done,
    /// It has no effect.
    Refused(CommitError),
}

impl Commit {
    /// What a commit does to entries as they are: engines that work on one entry at a time call this
    /// within their transaction. `read` returns the current entry of a key.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub fn decide<E>(
        &self,
        mut read: impl FnMut(&Key) -> Result<Option<Entry>, E>,
    ) -> Result<Decision, E> {
        for key in self.marks() {
            if read(key)?.is_some_and(|entry| entry.version == self.id()) {
                return Ok(Decision::Done);
            }
        }
        let (mut conflicts, mut exceeded, mut wrong) = (Vec::new(), Vec::new(), None);
        for (key, check) in self.checks() {
            let found = read(key)?;
            let holds = match check {
                Check::Absent => found.is_none(),
                Check::Version(version) => found.is_some_and(|entry| entry.version == *version),
                Check::Below(_) if found.as_ref().is_some_and(Entry::is_counter) => {
                    wrong = wrong.or(Some(key));
                    true
                }
                Check::Below(bytes) => found.is_none_or(|entry| entry.value < *bytes),
            };
            if !holds {
                conflicts.push(key.clone());
            }
        }
        for (key, change) in self.changes() {
            match change {
                // A key whose check holds has a value or nothing, or is wrong already.
                Change::Put(_) if self.checks_key(key) => {}
                Change::Put(_) => {
                    wrong = wrong.or(read(key)?.filter(Entry::is_counter).map(|_| key));
                }
                Change::Remove => {}
                Change::Add { by, max } => match count(read(key)?) {
                    None => wrong = wrong.or(Some(key)),
                    Some(count) => {
                        let sum = count.checked_add(*by);
                        if sum.is_none_or(|sum| max.is_some_and(|max| sum > max)) {
                            exceeded.push(key.clone());
                        }
                    }
                },
            }
        }
        let mut appended: BTreeMap<&Key, i64> = BTreeMap::new();
        for (group, _) in self.appends() {
            *appended.entry(group).or_default() += 1;
        }
        for (group, more) in appended {
            match count(read(group)?) {
                None => wrong = wrong.or(Some(group)),
                Some(count) if count.checked_add(more).is_none() => exceeded.push(group.clone()),
                Some(_) => {}
            }
        }
        Ok(match wrong {
            _ if !conflicts.is_empty() => Decision::Refused(self.refused(conflicts)),
            Some(key) => Decision::Refused(self.wrong_kind(key)),
            None if !exceeded.is_empty() => Decision::Refused(CommitError::Exceeded(exceeded)),
            None => Decision::Apply,
        })
    }
}

/// The number of a counter, which may be missing; `None` for a value.
fn count(found: Option<Entry>) -> Option<i64> {
    match found {
        None => Some(0),
        Some(entry) => entry.is_counter().then(|| entry.count()),
    }
}

#[cfg(test)]
mod tests {
    use crate::durable::{Check, Commit, Durable, Key, MemoryStore};

    #[tokio::test]
    async fn what_mixes_values_and_counters_is_told_what_to_do() {
        let store = MemoryStore::default();
        let (value, counter) = (Key::new("s").text("value"), Key::new("s").text("counter"));
        let mark = |name: &str| Commit::new().put_new(Key::new("s").text(name), "");
        store.commit(&mark("1").put(value.clone(), "x").add(counter.clone(), 1)).await.unwrap();
        let read = store.read(std::slice::from_ref(&counter)).await.unwrap().remove(0);
        let below = mark("2").check(counter.clone(), Check::Below("9".into()));
        let used = r#"s: "value" has a value; remove it before you use the key as a counter"#;
        let checked = r#"s: "counter" is a counter, which cannot be checked"#;
        for (commit, why) in [
            (mark("2").add(value.clone(), 1), used),
            (mark("2").append(value.clone(), ""), used),
            (
                Commit::new().put(counter.clone(), "x"),
                r#"s: "counter" is a counter; remove it before you put a value there"#,
            ),
            (below.clone(), checked),
            (below.remove(counter.clone()), checked),
            (Commit::new().replace(counter, read.as_ref(), "x"), checked),
        ] {
            let said = store.commit(&commit).await.unwrap_err().to_string();
            assert_eq!(said, format!("this commit is invalid: {why}"));
        }
    }
}
