//! Rows that a function could not use, each with its cause.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;

/// The cause of a rejection; shared, because a decoded batch is.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

/// What is wrong with one row, before anybody asks for its text.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) index: usize,
    pub(crate) field: Option<String>,
    pub(crate) cause: Cause,
}

/// One row that a function could not use, and why.
///
/// `Display` names the row and the field; [`source`](Error::source) is the cause.
#[derive(Clone)]
pub struct Reject {
    pub(crate) function: Arc<str>,
    pub(crate) index: usize,
    pub(crate) row: Bytes,
    pub(crate) field: Option<String>,
    pub(crate) cause: Cause,
    /// The row's position in the run's input, where the run keeps track of it.
    pub(crate) origin: Option<usize>,
    /// Which function of the chain it was.
    pub(crate) at: usize,
}

impl Reject {
    /// The function that refused the row.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The row's position, from 0, in the batch that reached the function.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Which row of the run's input it was, from 0; known to runs that are
    /// [fed](crate::Flow::feed), unless a function before made new rows and did not say of which.
    pub fn origin(&self) -> Option<usize> {
        self.origin
    }

    /// The row itself: as it arrived, or as JSON where it had been decoded before.
    pub fn row(&self) -> &Bytes {
        &self.row
    }

    /// The field that the row stumbled over, where there is one: `score_1`, `items[2].price`.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Why.
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
