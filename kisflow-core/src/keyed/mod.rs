//! Keyed state: a value for each key of a function's rows, kept in the store.

mod keys;
mod row_states;
mod stored;

use serde::{Serialize, de::DeserializeOwned};

pub use self::stored::StoredStates;
pub(crate) use self::{
    keys::{SPACE, StateKeys},
    row_states::{OpenStates, RowStates, StateChange},
};

/// What a function may keep for each key of its rows: `&mut S` beside `&T`.
///
/// The first row of a key finds the default. A state that is written as JSON `null` (an
/// `Option<S>` that is `None`) is removed.
///
/// ```
/// use kisflow_core::KeyedState;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// struct Seen {
///     payments: u32,
/// }
///
/// let seen = Seen { payments: 3 };
/// assert_eq!(Seen::initial(), Seen { payments: 0 });
/// assert_eq!(Seen::read(&seen.write()?)?, seen);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the state of a kisflow function",
    label = "not a state that can be kept",
    note = "derive `Default`, `serde::Serialize` and `serde::Deserialize` for `{Self}`"
)]
pub trait KeyedState: Sized {
    /// The state of a key that has none.
    fn initial() -> Self;

    /// Reads a state from JSON.
    ///
    /// # Errors
    ///
    /// When it is not this state.
    fn read(json: &[u8]) -> serde_json::Result<Self>;

    /// Returns the state as JSON.
    ///
    /// # Errors
    ///
    /// When it has no such form.
    fn write(&self) -> serde_json::Result<Vec<u8>>;
}

#[diagnostic::do_not_recommend]
impl<S: Default + Serialize + DeserializeOwned> KeyedState for S {
    fn initial() -> Self {
        Self::default()
    }

    fn read(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    fn write(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}
