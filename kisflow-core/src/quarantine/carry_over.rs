//! Rows of one store that are copied to another.

use super::{
    PAGE, Quarantined,
    draft::Draft,
    layout::{DISCARDED, KEPT, Spaces, Stored, WAITING},
};
use crate::{
    durable::{CommitError, Durable, Key, Scan, each_page},
    error::Result,
};

/// How many rows were copied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CarriedRows {
    pub(crate) kept: u64,
    pub(crate) discarded: u64,
    pub(crate) waiting: u64,
}

/// Copies the rows in quarantine, the discarded and the waiting ones, to another store. A row with the same id
/// is replaced there.
pub(crate) async fn carry_over(from: &dyn Durable, to: &dyn Durable) -> Result<CarriedRows> {
    let kept = carry_rows(from, to, KEPT).await?;
    let discarded = carry_rows(from, to, DISCARDED).await?;
    let waiting = carry_rows(from, to, WAITING).await?;
    Ok(CarriedRows { kept, discarded, waiting })
}

async fn carry_rows(from: &dyn Durable, to: &dyn Durable, spaces: Spaces) -> Result<u64> {
    let mut count = 0;
    each_page(from, Scan::of(spaces.rows).limit(PAGE), async |page| {
        let mut rows = Vec::with_capacity(page.len());
        for (id, entry) in page {
            rows.push(Stored::new(&String::from_utf8_lossy(&id), &entry)?.row);
        }
        count += rows.len() as u64;
        put_rows(to, spaces, &rows).await
    })
    .await?;
    Ok(count)
}

/// Puts rows, in halves if they do not fit a commit.
async fn put_rows(to: &dyn Durable, spaces: Spaces, rows: &[Quarantined]) -> Result<()> {
    let mut waiting = vec![rows];
    while let Some(rows) = waiting.pop() {
        let keys: Vec<Key> = rows.iter().map(|row| spaces.row(&row.id)).collect();
        let mut draft = Draft::default();
        for (row, found) in rows.iter().zip(to.read(&keys).await?) {
            let before = found.map(|entry| Stored::new(&row.id, &entry)).transpose()?;
            draft = draft.set(spaces, before.as_ref(), Some(row));
        }
        match to.commit(&draft.commit(None)).await {
            Err(CommitError::TooLarge { .. }) if rows.len() > 1 => {
                let (first, second) = rows.split_at(rows.len() / 2);
                waiting.extend([second, first]);
            }
            result => result.map_err(CommitError::into_cause)?,
        }
    }
    Ok(())
}
