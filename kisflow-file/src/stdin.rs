//! [`Stdin`]: the rows of standard input.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kisflow_core::{
    Delivery, Receipt, Redelivery, Result, Settled, Source, SourceConf, SourceContext, Start,
    async_trait,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    ahead::{Chunks, read_ahead},
    error::FileError,
    frame::{Cut, Framer, Framing, Places, When},
    params::{Problems, StdinParams},
    unpack::Unpack,
};

/// Its name in messages and positions.
const NAME: &str = "stdin";

/// The rows of standard input: `type: stdin`; see [`StdinParams`]. The source ends with the input.
///
/// # What is promised
///
/// As long as the process lives, no row is lost: the source ends when all rows were handed out. But
/// a pipe cannot be read twice: rows that were read and are not done are lost when the process
/// ends, and rows that are given back are not redelivered. If that matters, write a file and read
/// it with [`File`](crate::File).
///
/// The position of a row is `stdin:offset`, with the offset of its line. Gzip is unpacked; offsets
/// are those of the unpacked text.
///
/// Only one flow can read standard input, and only once. A second `serve` of the same process can
/// continue, without what the thread of the first still takes from the input.
///
/// # The thread
///
/// A read of standard input cannot be cancelled, and tokio waits for its own reads when the runtime
/// shuts down. So a separate thread reads ahead, three chunks of at most 256 KiB, and is never
/// joined. It ends with the input, after a read whose result is not needed any longer, or with the
/// process. What it has read by then is lost.
pub struct Stdin {
    chunks: Chunks,
    framer: Framer,
    /// The most rows of a batch.
    rows: usize,
    /// How long a batch waits to be full.
    wait: Duration,
    /// When a batch that is not full is handed out.
    due: Option<Instant>,
    path: Arc<str>,
    /// Tells the input apart from that of another run of the program.
    run: u64,
}

impl fmt::Debug for Stdin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stdin").finish_non_exhaustive()
    }
}

/// Whether standard input is being read.
#[derive(Default)]
struct Taken(AtomicBool);

#[async_trait]
impl Source for Stdin {
    const TYPE: &'static str = "stdin";
    type Params = StdinParams;

    fn redelivery(_: &SourceConf, _: &StdinParams) -> Redelivery {
        let why = "reads standard input, whose rows are gone when the process dies";
        Redelivery::Unrecognized(why.to_owned())
    }

    fn check(conf: &SourceConf, params: &StdinParams) -> Problems {
        let mut problems = params.framing().err().unwrap_or_default();
        let mut problem =
            |key: &str, message: &str| problems.push((key.to_owned(), message.to_owned()));
        if !conf.key.is_empty() {
            problem("key", "standard input has no path; read files with `type: file`");
        }
        if !conf.addrs.is_empty() {
            problem("addrs", "standard input has no address; drop it");
        }
        if conf.start != Start::Earliest {
            problem("start", "standard input begins where it begins; drop it");
        }
        problems
    }

    /// # Errors
    ///
    /// When standard input is being read already, or the thread cannot be started: [`FileError`].
    async fn open(conf: &SourceConf, params: StdinParams, context: SourceContext) -> Result<Self> {
        let path: Arc<str> = NAME.into();
        let problems = Self::check(conf, &params);
        let framing = match params.framing() {
            Ok(framing) if problems.is_empty() => framing,
            _ => return Err(FileError::conf(&path, problems).into()),
        };
        if context.shared::<Taken>().0.swap(true, Ordering::Relaxed) {
            return Err(FileError::taken(&path).into());
        }
        Ok(Self::reading(io::stdin(), framing, conf)?)
    }

    /// # Errors
    ///
    /// When standard input cannot be read, is in UTF-16, or has an unusable CSV header:
    /// [`FileError`]. The next call tries again where it was.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call returns what was read in the meantime.
    async fn next(&mut self) -> Result<Option<Delivery>> {
        loop {
            if let Some(cut) = self.framer.cut(self.rows, When::Full)? {
                return Ok(Some(self.deliver(cut)));
            }
            if self.framer.is_finished() {
                return Ok(None);
            }
            let received = match self.due {
                None => self.chunks.recv().await,
                Some(due) => match timeout_at(due, self.chunks.recv()).await {
                    Ok(received) => received,
                    Err(_) => {
                        self.due = None;
                        match self.framer.cut(self.rows, When::Any)? {
                            Some(cut) => return Ok(Some(self.deliver(cut))),
                            None => {
                                let again = self.framer.held_up();
                                self.due = again.map(|again| Instant::now() + again);
                                continue;
                            }
                        }
                    }
                },
            };
            match received {
                Some(Ok(chunk)) => {
                    self.framer.push(&chunk);
                    self.due.get_or_insert_with(|| Instant::now() + self.wait);
                }
                Some(Err(error)) => return Err(FileError::io(&self.path, error).into()),
                None => self.framer.finish(),
            }
        }
    }
}

impl Stdin {
    fn reading(
        input: impl Read + Send + 'static,
        framing: Framing,
        conf: &SourceConf,
    ) -> Result<Self, FileError> {
        let path: Arc<str> = NAME.into();
        let chunks = read_ahead(Unpack::new(input)).map_err(|error| FileError::io(&path, error))?;
        Ok(Self {
            chunks,
            framer: Framer::new(path.clone(), framing),
            rows: usize::try_from(conf.batch.rows).unwrap_or(usize::MAX).max(1),
            wait: conf.batch.wait,
            due: None,
            path,
            // The standard library seeds its hash maps at random: that is all this needs.
            run: RandomState::new().build_hasher().finish(),
        })
    }

    fn deliver(&mut self, cut: Cut) -> Delivery {
        self.due = (!self.framer.is_empty()).then(|| Instant::now() + self.wait);
        Delivery::new(cut.batch, StdinReceipt { places: cut.places, run: self.run })
    }
}

/// There is no server to notify.
struct StdinReceipt {
    places: Places,
    run: u64,
}

#[async_trait]
impl Receipt for StdinReceipt {
    fn position(&self, row: usize) -> String {
        format!("{NAME}:{}", self.places.offset(row))
    }

    fn generation(&self) -> String {
        format!("{:016x}", self.run)
    }

    async fn done(&self, _: &Settled) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{PipeReader, PipeWriter, Write, pipe},
        sync::Mutex,
    };

    use kisflow_core::conformance::{Lease, SourceWorld, World, source};
    use tokio::time::timeout;

    use super::*;
    use crate::frame::CHUNK;

    struct Pipes;

    /// A pipe can be read once.
    struct Pipe {
        reader: Mutex<Option<PipeReader>>,
        writer: Mutex<PipeWriter>,
    }

    fn open(input: impl Read + Send + 'static, rows: u32) -> Stdin {
        let conf = SourceConf::new("piped", "stdin").batch(rows, Duration::from_millis(20));
        Stdin::reading(input, StdinParams::default().framing().unwrap(), &conf).unwrap()
    }

    #[async_trait]
    impl SourceWorld for Pipes {
        type World = Pipe;
        const REPLAYS: bool = false;
        const SHARES: bool = false;

        async fn create(&self) -> Pipe {
            let (reader, writer) = pipe().unwrap();
            Pipe { reader: Mutex::new(Some(reader)), writer: Mutex::new(writer) }
        }
    }

    #[async_trait]
    impl World for Pipe {
        type Source = Stdin;

        async fn open(&self, _: Lease) -> Stdin {
            open(self.reader.lock().unwrap().take().unwrap(), 10)
        }

        async fn feed(&self, rows: Vec<String>) {
            writeln!(self.writer.lock().unwrap(), "{}", rows.join("\n")).unwrap();
        }

        async fn disconnect(&self) {}
    }

    #[tokio::test]
    async fn standard_input_keeps_the_rules_of_sources() {
        source(&Pipes).await;
    }

    #[tokio::test]
    async fn it_reads_ahead_by_some_chunks_and_no_more() {
        /// Endless rows, and how many bytes of them were read.
        struct Endless(Arc<std::sync::atomic::AtomicUsize>);

        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'1');
                *buffer.last_mut().unwrap() = b'\n';
                self.0.fetch_add(buffer.len(), Ordering::SeqCst);
                Ok(buffer.len())
            }
        }

        let bytes = Arc::default();
        let mut stdin = open(Endless(Arc::clone(&bytes)), 1);
        for rows in 1..20 {
            assert_eq!(stdin.next().await.unwrap().unwrap().batch().len(), 1);
            // Two in the channel, one in the thread's hands.
            assert!(bytes.load(Ordering::SeqCst) <= (rows + 3) * CHUNK);
        }
    }

    #[tokio::test]
    async fn lines_that_are_written_one_by_one_travel_together() {
        let (reader, mut writer) = pipe().unwrap();
        let conf = SourceConf::new("piped", "stdin").batch(10, Duration::from_secs(60));
        let framing = StdinParams::default().framing().unwrap();
        let mut stdin = Stdin::reading(reader, framing, &conf).unwrap();
        writer.write_all(b"{}\n").unwrap();
        assert!(timeout(Duration::from_millis(100), stdin.next()).await.is_err());
        writer.write_all(&b"{}\n".repeat(9)).unwrap();
        let read = timeout(Duration::from_secs(60), stdin.next()).await.unwrap();
        assert_eq!(read.unwrap().unwrap().batch().len(), 10);
    }

    #[tokio::test]
    async fn an_error_is_told_and_loses_no_row() {
        /// A row, an error, another row.
        struct Shaky(u8);

        impl Read for Shaky {
            fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => buffer.write(b"{\"a\":1}\n{\"a\":"),
                    2 => Err(io::Error::other("torn")),
                    3 => buffer.write(b"2}"),
                    _ => Ok(0),
                }
            }
        }

        let mut stdin = open(Shaky(0), 10);
        let mut rows = String::new();
        let mut errors = 0;
        let read = async {
            loop {
                match stdin.next().await {
                    Ok(None) => return,
                    Ok(Some(delivery)) => rows += &delivery.batch().to_ndjson().unwrap(),
                    Err(error) => {
                        errors += 1;
                        assert_eq!(error.to_string(), "stdin cannot be read");
                    }
                }
            }
        };
        timeout(Duration::from_secs(60), read).await.unwrap();
        assert_eq!((&*rows, errors), ("{\"a\":1}\n{\"a\":2}\n", 1));
    }
}
