//! The names that a file may have after a rotation, and which of two is the older one.

use std::cmp::Ordering;

/// Returns whether a rotation may rename `base` to `name`: `app.log.1`, `app.1`,
/// `app-2026-11-27.log`, `app.log-20261127.gz`, `app.log.old`.
pub(super) fn is_rotated(name: &str, base: &str) -> bool {
    let name = without_gz(name);
    let (stem, ending) = base.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).unzip();
    let behind = |start: &str| name.strip_prefix(start).is_some_and(is_mark);
    let between = stem.zip(ending).is_some_and(|(stem, ending)| {
        let rest = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending));
        rest.and_then(|rest| rest.strip_suffix('.')).is_some_and(is_mark)
    });
    name != base && (behind(base) || between || stem.is_some_and(behind))
}

/// Returns whether two names differ only in their digits: `app-2026-11-26.log` and
/// `app-2026-11-27.log`.
pub(super) fn is_sibling(name: &str, other: &str) -> bool {
    let shape = |name: &str| without_gz(name).replace(|c: char| c.is_ascii_digit(), "");
    let has_digits = other.bytes().any(|byte| byte.is_ascii_digit());
    has_digits && without_gz(name) != without_gz(other) && shape(name) == shape(other)
}

/// The name without the ending of gzip files.
pub(super) fn without_gz(name: &str) -> &str {
    name.strip_suffix(".gz").unwrap_or(name)
}

/// The name without the ending of files that are compressed in a way that is not read here.
pub(super) fn without_foreign(name: &str) -> Option<&str> {
    [".xz", ".zst", ".bz2", ".lz4", ".zip", ".Z"].iter().find_map(|end| name.strip_suffix(end))
}

/// What a rotation puts into a name: numbers, dates, `old`.
fn is_mark(mark: &str) -> bool {
    let Some(rest) = mark.strip_prefix(['.', '-', '_']) else { return false };
    matches!(rest, "old" | "prev")
        || (rest.bytes().any(|byte| byte.is_ascii_digit())
            && rest.bytes().all(|byte| byte.is_ascii_digit() || b".-_:T+Z@".contains(&byte)))
}

/// Compares the age of two rotated files by their names: the higher plain number or the earlier
/// date is the older one.
pub(super) fn by_age(one: &str, other: &str) -> Ordering {
    let numbers = |name: &str| -> Vec<u64> {
        let digits = without_gz(name).split(|c: char| !c.is_ascii_digit());
        digits.filter_map(|digits| digits.parse().ok()).collect()
    };
    let (one, other) = (numbers(one), numbers(other));
    let at = one.iter().zip(&other).position(|(one, other)| one != other);
    // A name without a number behind that of a file with one: nothing was rotated after it yet.
    let Some(at) = at else { return other.len().cmp(&one.len()) };
    let (Some(a), Some(b)) = (one.get(at), other.get(at)) else { return Ordering::Equal };
    let is_last = at + 1 == one.len() && at + 1 == other.len();
    match is_last && *a < MOST_NUMBERED && *b < MOST_NUMBERED && at == 0 {
        true => b.cmp(a),
        false => a.cmp(b),
    }
}

/// Numbers from here on are dates and times.
const MOST_NUMBERED: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_files_are_known() {
        for (base, yes, no) in [
            (
                "o.ndjson",
                &[
                    "o.ndjson.1",
                    "o.1",
                    "o.1.ndjson",
                    "o-2026-11-27.ndjson",
                    "o.ndjson-20261127",
                    "o.ndjson-20261127.gz",
                    "o.ndjson.2026-11-27T10:00:00",
                    "o.ndjson.old",
                    "o_1.ndjson.gz",
                    "o.ndjson.gz.1",
                ][..9],
                &["o.ndjson", "orders.ndjson", "o.ndjson.bak", "o.csv", "o-eu.ndjson", "o.", "x.1"]
                    [..],
            ),
            ("log", &["log.1", "log-1.gz"], &["log", "log.gz", "login.1", "log1"]),
            (".log", &[".log.1"], &["app.1", "1"]),
        ] {
            for name in yes {
                assert!(is_rotated(name, base), "{base}: {name}");
            }
            for name in no {
                assert!(!is_rotated(name, base), "{base}: {name}");
            }
        }
        assert!(is_sibling("a-2026-11-26.log.gz", "a-2026-11-27.log"));
        assert!(!is_sibling("b-2026-11-26.log", "a-2026-11-27.log"));
        assert!(!is_sibling("a.log", "a.log"));
        assert!(!is_sibling("a.log.gz", "a.log"));
    }

    #[test]
    fn the_older_of_two_rotated_files_is_known_by_its_name() {
        for (older, newer) in [
            ("o.ndjson.2", "o.ndjson.1"),
            ("o.10.gz", "o.9"),
            ("o.ndjson-20261126", "o.ndjson-20261127"),
            ("o-2026-11-26.log", "o-2026-11-27.log"),
            ("o-2026-11-27.1.log", "o-2026-11-27.2.log"),
        ] {
            assert_eq!(by_age(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(by_age(newer, older), Ordering::Greater, "{older} {newer}");
        }
    }
}
