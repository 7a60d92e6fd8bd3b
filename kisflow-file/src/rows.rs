//! [`Rows`]: the rows of anything that can be read, for programs that feed a flow themselves.

use std::{fmt, io::Read, sync::Arc};

use kisflow_core::Batch;

use crate::{
    ahead::{Chunks, read_ahead},
    error::FileError,
    frame::{Framer, Places, When},
    params::FileParams,
    unpack::Unpack,
};

/// The rows of any reader, batch after batch, cut like those of the sources of this crate, for a
/// program that feeds a flow itself. It keeps no position.
///
/// Gzip is unpacked; offsets are those of the unpacked text.
///
/// A separate thread reads ahead, three chunks of at most 256 KiB. It is never joined, even if it
/// hangs in a pipe. Memory is bounded: by those chunks, one batch, and `max_line_bytes`.
///
/// ```
/// use kisflow_file::{FileParams, Rows};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let text = "article,price\ntea,6.25\ncup,15\n";
/// let mut rows = Rows::new("prices.csv", text.as_bytes(), &FileParams::default())?;
/// let read = rows.next(500).await?.ok_or("there are no rows")?;
/// assert_eq!(read.batch().to_ndjson()?.lines().next(), Some(r#"{"article":"tea","price":6.25}"#));
/// assert_eq!(read.position(1), "prices.csv:23");
/// assert!(rows.next(500).await?.is_none());
/// # Ok::<(), kisflow_core::BoxError>(())
/// # }).unwrap();
/// ```
pub struct Rows {
    name: Arc<str>,
    chunks: Chunks,
    framer: Framer,
}

impl fmt::Debug for Rows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Rows({})", self.name)
    }
}

/// Rows, with their positions.
pub struct PlacedRows {
    name: Arc<str>,
    batch: Batch,
    places: Places,
    end: u64,
}

impl fmt::Debug for PlacedRows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PlacedRows({}, {:?})", self.name, self.batch)
    }
}

impl Rows {
    /// Begins to read. Positions and messages contain `name`; without `format` in `params`, its
    /// ending decides the format. `follow` and `poll_ms` have no effect here.
    ///
    /// # Errors
    ///
    /// When `params` contradict each other, or the thread cannot be started.
    pub fn new(
        name: impl Into<Arc<str>>,
        input: impl Read + Send + 'static,
        params: &FileParams,
    ) -> Result<Self, FileError> {
        let name = name.into();
        let framing = params.framing(&name).map_err(|problems| FileError::conf(&name, problems))?;
        let chunks = read_ahead(Unpack::new(input)).map_err(|error| FileError::io(&name, error))?;
        Ok(Self { framer: Framer::new(name.clone(), framing), name, chunks })
    }

    /// Returns the next rows, at least one and at most `most` (0 counts as 1), or fewer if they
    /// have about 1 MiB; `None` at the end. It waits until there are that many.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, is in UTF-16 or packed in an unknown way, or has an unusable
    /// CSV header. After an error of reading, the next call continues where it was.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call returns what was read in the meantime.
    pub async fn next(&mut self, most: usize) -> Result<Option<PlacedRows>, FileError> {
        loop {
            if let Some(cut) = self.framer.cut(most.max(1), When::Full)? {
                let name = self.name.clone();
                let (batch, places, end) = (cut.batch, cut.places, cut.end);
                return Ok(Some(PlacedRows { name, batch, places, end }));
            }
            if self.framer.is_finished() {
                return Ok(None);
            }
            match self.chunks.recv().await {
                Some(Ok(chunk)) => self.framer.push(&chunk),
                Some(Err(error)) => return Err(FileError::io(&self.name, error)),
                None => self.framer.finish(),
            }
        }
    }
}

impl PlacedRows {
    /// Returns the rows.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Returns the position of a row, counted from 0: `name:offset`, with the offset of its line,
    /// as in sources. Without such a row, that of the first row.
    pub fn position(&self, row: usize) -> String {
        format!("{}:{}", self.name, self.places.offset(row))
    }

    /// Returns how many bytes were read, these rows included.
    pub fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{frame::CHUNK, params::Format};

    /// All rows, batches of `most`, each with its position; one batch a line.
    async fn read(name: &str, text: &'static str, params: &FileParams, most: usize) -> Vec<String> {
        let mut rows = Rows::new(name, text.as_bytes(), params).unwrap();
        let mut batches = Vec::new();
        while let Some(read) = rows.next(most).await.unwrap() {
            let ndjson = read.batch().to_ndjson().unwrap();
            let rows = (0..).zip(ndjson.lines());
            let rows = rows.map(|(at, row)| format!("{} {row}", read.position(at)));
            batches.push(format!("{}; {}", rows.collect::<Vec<_>>().join(", "), read.end()));
        }
        batches
    }

    async fn check(name: &str, text: &'static str, expect: &[&str]) {
        assert_eq!(read(name, text, &FileParams::default(), 2).await, expect);
    }

    #[tokio::test]
    async fn rows_come_in_batches_with_their_positions() {
        check("stdin", "", &[]).await;
        check("stdin", "\n \n", &[]).await;
        check(
            "a.ndjson",
            "{\"a\":1}\n\n{\"a\":2}\r\nno json",
            &["a.ndjson:0 {\"a\":1}, a.ndjson:9 {\"a\":2}; 18", "a.ndjson:18 no json; 25"],
        )
        .await;
        check(
            "a.CSV",
            "a,b\n1,x\n2,\n",
            &[r#"a.CSV:4 {"a":1,"b":"x"}, a.CSV:8 {"a":2,"b":null}; 11"#],
        )
        .await;
        check("a.tsv", "a\tb\n1\tx", &[r#"a.tsv:4 {"a":1,"b":"x"}; 7"#]).await;
    }

    #[tokio::test]
    async fn params_go_before_the_ending() {
        let params = FileParams {
            format: Some(Format::Csv),
            delimiter: Some(";".to_owned()),
            text: vec!["a".to_owned()],
            ..FileParams::default()
        };
        assert_eq!(
            read("stdin", "a;b\n1;2\n", &params, 1).await,
            [r#"stdin:4 {"a":"1","b":2}; 8"#]
        );
    }

    #[tokio::test]
    async fn a_batch_of_no_rows_is_one_of_one() {
        let read = read("stdin", "1\n2\n", &FileParams::default(), 0).await;
        assert_eq!(read, ["stdin:0 1; 2", "stdin:2 2; 4"]);
    }

    #[tokio::test]
    async fn a_header_that_lacks_a_column_is_an_error() {
        let params = FileParams { text: vec!["zip".to_owned()], ..FileParams::default() };
        let mut rows = Rows::new("a.csv", "a,b\n1,2\n".as_bytes(), &params).unwrap();
        let error = rows.next(10).await.err().unwrap();
        assert!(error.is_content());
        assert_eq!(
            error.to_string(),
            "the header of a.csv has no name `zip`, which `text` demands"
        );
    }

    #[test]
    fn params_that_contradict_each_other_are_an_error() {
        let params = FileParams { delimiter: Some(";".to_owned()), ..FileParams::default() };
        let error = Rows::new("a.ndjson", io::empty(), &params).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the conf of a.ndjson is wrong: `params.delimiter`: only CSV has this; set `format: csv`"
        );
    }

    /// Rows without end; counts the bytes that were read of them.
    struct Endless(Arc<AtomicUsize>);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.chunks_mut(2).for_each(|row| row.copy_from_slice(b"1\n"));
            self.0.fetch_add(buffer.len(), Ordering::SeqCst);
            Ok(buffer.len())
        }
    }

    #[tokio::test]
    async fn no_more_is_read_ahead_than_some_chunks() {
        let bytes = Arc::new(AtomicUsize::new(0));
        let mut rows =
            Rows::new("endless", Endless(bytes.clone()), &FileParams::default()).unwrap();
        for _ in 0..20 {
            assert_eq!(rows.next(1).await.unwrap().unwrap().batch().len(), 1);
            // One is being cut into rows, two wait, one is in the thread's hands.
            assert!(bytes.load(Ordering::SeqCst) <= 4 * CHUNK);
        }
    }

    #[tokio::test]
    async fn an_error_is_told_and_loses_no_row() {
        /// A row, an error, another row.
        struct Shaky(u8);

        impl Read for Shaky {
            fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => io::Write::write(&mut buffer, b"{\"a\":1}\n{\"a\":"),
                    2 => Err(io::Error::other("torn")),
                    3 => io::Write::write(&mut buffer, b"2}"),
                    _ => Ok(0),
                }
            }
        }

        let mut rows = Rows::new("stdin", Shaky(0), &FileParams::default()).unwrap();
        assert_eq!(rows.next(9).await.err().unwrap().to_string(), "stdin cannot be read");
        let read = rows.next(9).await.unwrap().unwrap();
        assert_eq!(read.batch().to_ndjson().unwrap(), "{\"a\":1}\n{\"a\":2}\n");
        assert!(rows.next(9).await.unwrap().is_none());
    }
}
