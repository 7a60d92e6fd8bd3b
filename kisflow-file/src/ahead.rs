//! Reading ahead, on a thread that is never joined.

use std::{
    io::{self, Read},
    thread,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::frame::CHUNK;

/// Chunks in the order of reading; closed after the last one.
pub(crate) type Chunks = mpsc::Receiver<io::Result<Bytes>>;

/// Reads until the end, or until the receiver is dropped: two chunks wait in the channel, and the
/// thread holds a third.
///
/// # Errors
///
/// When the thread cannot be started.
pub(crate) fn read_ahead(input: impl Read + Send + 'static) -> io::Result<Chunks> {
    let (sender, chunks) = mpsc::channel(2);
    thread::Builder::new()
        .name("kisflow-read".to_owned())
        .spawn(move || read(input, &sender))
        .map(|_| chunks)
}

fn read(mut input: impl Read, chunks: &mpsc::Sender<io::Result<Bytes>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let chunk = match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => Ok(Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        if chunks.blocking_send(chunk).is_err() {
            return;
        }
    }
}
