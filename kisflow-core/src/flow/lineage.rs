//! [`Lineage`]: from which row of a run's input each row of a batch was made.

use std::{collections::HashSet, sync::Arc};

use crate::reject::Fault;

/// From which row of an earlier batch each row of a batch was made.
///
/// Only runs that are fed, by a source or by [`Flow::feed`](super::Flow::feed), ask for it: it
/// leads from a row that is rejected late in the chain back to its position in the source. It is
/// known for one-row functions, but not for a batch function that makes new rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lineage {
    #[default]
    Unknown,
    /// Each from the row at its own position.
    Same,
    Rows(Arc<[usize]>),
}

impl Lineage {
    pub(crate) fn of(&self, row: usize) -> Option<usize> {
        match self {
            Self::Unknown => None,
            Self::Same => Some(row),
            Self::Rows(rows) => rows.get(row).copied(),
        }
    }

    /// How many different rows these come from, if each group of them stands together.
    pub(super) fn origins(&self) -> Option<usize> {
        match self {
            Self::Rows(rows) => Some(rows.chunk_by(|one, next| one == next).count()),
            Self::Unknown | Self::Same => None,
        }
    }

    /// The lineage of rows at these positions.
    pub(crate) fn pick(&self, rows: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Same => Self::Rows(rows.collect()),
            Self::Rows(_) => rows
                .map(|row| self.of(row))
                .collect::<Option<_>>()
                .map_or(Self::Unknown, Self::Rows),
        }
    }

    /// The lineage of the rows that a function made from `len` rows, some of which it rejected.
    /// `made` is `Same` if it made one row from each of the others, in order.
    pub(super) fn then(&self, made: &Self, len: usize, faults: &[Fault]) -> Self {
        match made {
            Self::Unknown => Self::Unknown,
            Self::Same if faults.is_empty() => self.clone(),
            Self::Same => {
                let bad: HashSet<usize> = faults.iter().map(|fault| fault.index).collect();
                self.pick((0..len).filter(|row| !bad.contains(row)))
            }
            Self::Rows(rows) => self.pick(rows.iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lineage::{Rows, Same, Unknown};
    use crate::reject::Fault;

    #[test]
    fn a_row_finds_back_through_functions_that_leave_rows_out() {
        let fault = |index| Fault {
            index,
            field: None,
            cause: std::sync::Arc::from(crate::BoxError::from("bad")),
        };
        let first = Same.then(&Same, 5, &[fault(1)]);
        assert_eq!(first, Rows([0, 2, 3, 4].into()));
        let second = first.then(&Rows([1, 1, 3].into()), 4, &[]);
        assert_eq!(second, Rows([2, 2, 4].into()));
        assert_eq!(second.of(2), Some(4));
        assert_eq!(second.then(&Unknown, 3, &[]).of(0), None);
    }
}
