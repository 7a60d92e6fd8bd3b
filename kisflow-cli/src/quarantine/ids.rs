//! Ids, and how little of one says which is meant.

use std::collections::BTreeSet;

use kisflow_core::{Quarantine, QuarantineFilter, Quarantined};

use super::store::failed;
use crate::failure::Failure;

/// How much of an id is shown.
const SHOWN: usize = 8;
/// How much of an id has to be given: less is more likely a slip.
const LEAST: usize = 4;
/// How long an id is.
const WHOLE: usize = 32;

/// An id, or its beginning, as somebody wrote it.
///
/// # Errors
///
/// When no id can begin so.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let digits = text.chars().all(|character| character.is_ascii_hexdigit());
    match text.len() {
        _ if !digits => Err("an id has the digits 0 to 9 and a to f".to_owned()),
        ..LEAST => Err(format!("too little of an id: give {LEAST} digits or more")),
        LEAST..=WHOLE => Ok(text.to_lowercase()),
        _ => Err(format!("an id has {WHOLE} digits")),
    }
}

/// The rows that are meant, each once, by what [`parse`] made of their ids.
///
/// # Errors
///
/// When there is no such row, or more than one; the first that is wrong is told.
pub(super) async fn rows(
    quarantine: &Quarantine,
    given: &[String],
) -> Result<Vec<Quarantined>, Failure> {
    let whole = given.iter().all(|id| id.len() == WHOLE);
    let all = match whole {
        true => given.to_vec(),
        false => quarantine.ids(&QuarantineFilter::new()).await.map_err(|error| failed(&error))?,
    };
    let found = given.iter().map(|id| find(id, &all).map_err(Failure::no));
    let mut rows = Vec::new();
    for id in found.collect::<Result<BTreeSet<_>, _>>()? {
        rows.push(quarantine.show(&id).await.map_err(|error| failed(&error))?);
    }
    Ok(rows)
}

/// The row that is meant.
///
/// # Errors
///
/// As [`rows`].
pub(super) async fn row(quarantine: &Quarantine, given: &str) -> Result<Quarantined, Failure> {
    let rows = rows(quarantine, &[given.to_owned()]).await?;
    rows.into_iter().next().ok_or(Failure::Silent)
}

/// The only id that begins so.
pub(super) fn find(beginning: &str, ids: &[String]) -> Result<String, String> {
    let found: Vec<&str> =
        ids.iter().map(String::as_str).filter(|id| id.starts_with(beginning)).collect();
    match found.as_slice() {
        [] => Err(format!("no row in quarantine has the id \"{beginning}\"")),
        [id] => Ok((*id).to_owned()),
        several => Err(format!(
            "\"{beginning}\" is the beginning of {} ids: {}",
            several.len(),
            several.join(", ")
        )),
    }
}

/// How much of each id has to be shown, so that no two of these look the same.
pub(super) fn shown<'a>(ids: impl Iterator<Item = &'a str> + Clone) -> usize {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    let common = |pair: &[&str]| match pair {
        [one, other] => one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count() + 1,
        _ => 0,
    };
    ids.windows(2).map(common).max().unwrap_or_default().max(SHOWN)
}

/// The beginning of an id.
pub(super) fn short(id: &str) -> &str {
    id.get(..SHOWN).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::{find, parse, shown};

    const IDS: [&str; 3] = ["3f2a91c0aa00", "3f2a91c0bb00", "77aa00000000"];

    fn check(beginning: &str, found: &str) {
        let ids = IDS.map(str::to_owned);
        let id = parse(beginning).and_then(|beginning| find(&beginning, &ids));
        assert_eq!(id.unwrap_or_else(|error| error), found);
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_if_no_other_begins_so() {
        check("77aa", IDS[2]);
        check("77AA0", IDS[2]);
        check("3f2a91c0b", IDS[1]);
        check(IDS[0], IDS[0]);
        check("3f2a9", "\"3f2a9\" is the beginning of 2 ids: 3f2a91c0aa00, 3f2a91c0bb00");
        check("77ab", "no row in quarantine has the id \"77ab\"");
    }

    #[test]
    fn what_no_id_begins_with_is_refused() {
        check("", "too little of an id: give 4 digits or more");
        check("77a", "too little of an id: give 4 digits or more");
        check("77ag", "an id has the digits 0 to 9 and a to f");
        check(&"7".repeat(33), "an id has 32 digits");
    }

    #[test]
    fn as_much_of_ids_is_shown_as_tells_them_apart() {
        assert_eq!(shown(IDS.into_iter()), 9);
        assert_eq!(shown(["3f2a91c0aa00", "77aa00000000"].into_iter()), 8);
        assert_eq!(shown(std::iter::empty()), 8);
    }
}
