//! A greeting with the version, and frames: their length, and so many bytes.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// What both sides send first. The last byte is the version: each has its own form of requests and
/// answers.
pub(super) const GREETING: &[u8; 8] = b"kisflow\x02";

/// A stream with a deadline: a peer that sends a byte now and then has no more time than one that
/// sends nothing.
pub(super) struct Timed<'a> {
    stream: &'a UnixStream,
    end: Instant,
}

impl<'a> Timed<'a> {
    pub(super) fn new(stream: &'a UnixStream, patience: Duration) -> Self {
        Self { stream, end: Instant::now() + patience }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a greeting. Returns whether it is that of this version.
pub(super) fn read_greeting(from: &mut impl Read) -> io::Result<bool> {
    let mut greeting = [0; GREETING.len()];
    from.read_exact(&mut greeting)?;
    Ok(&greeting == GREETING)
}

pub(super) fn write(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    to.write_all(&(frame.len() as u64).to_be_bytes())?;
    to.write_all(frame)
}

/// Reads a frame of at most `most` bytes. Memory grows with the bytes that came, not with the
/// announced length.
pub(super) fn read(from: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_be_bytes(length);
    if length > most {
        return Err(io::Error::new(ErrorKind::InvalidData, "the frame is too large"));
    }
    let mut frame = Vec::new();
    from.take(length).read_to_end(&mut frame)?;
    if frame.len() as u64 == length { Ok(frame) } else { Err(ErrorKind::UnexpectedEof.into()) }
}
