//! Rejected rows, each with its cause.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;

/// The cause of a rejection; shared, because a decoded batch is.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

/// What is wrong with one row; its text is looked up later.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) index: usize,
    pub(crate) field: Option<String>,
    pub(crate) cause: Cause,
}

/// One rejected row, with its cause.
///
/// `Display` names the row and the field; [`source`](Error::source) is the cause.
#[derive(Clone)]
pub struct Reject {
    pub(crate) function: Arc<str>,
    pub(crate) index: usize,
    pub(crate) row: Bytes,
    pub(crate) field: Option<String>,
    pub(crate) cause: Cause,
    /// The row's position in the run's input, if the run keeps track of it.
    pub(crate) origin: Option<usize>,
    /// The function's place in the chain.
    pub(crate) at: usize,
}

impl Reject {
    /// Returns the function that rejected the row.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// Returns the row's position, from 0, in the batch that reached the function.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the row's position in the run's input, from 0. It is known in runs that are
    /// [fed](crate::Flow::feed), unless a function before made new rows without saying from which.
    pub fn origin(&self) -> Option<usize> {
        self.origin
    }

    /// Returns the row: as it arrived, or as JSON if it had been decoded before.
    pub fn row(&self) -> &Bytes {
        &self.row
    }

    /// Returns the field at fault, if there is one: `score_1`, `items[2].price`.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Returns the cause.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

/// How much of a row's text a message shows; [`Reject::row`] has all of it.
const SHOWN: usize = 120;

impl fmt::Display for Reject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "function `{}`: row {} ", self.function, self.index)?;
        if let Some(field) = &self.field {
            write!(formatter, "(field `{field}`) ")?;
        }
        let shown = String::from_utf8_lossy(self.row.get(..SHOWN).unwrap_or(&self.row));
        let rest = self.row.len().saturating_sub(SHOWN);
        write!(
            formatter,
            "is rejected: `{}`",
            shown.escape_debug().to_string().replace("\\\"", "\"")
        )?;
        if rest > 0 {
            write!(formatter, " and {rest} more bytes")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}: {}", crate::error_chain(&*self.cause))
    }
}

impl Error for Reject {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
