//! Positions that a command sets.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use super::position::{HEAD, fnv1a};

/// How much of a file is searched at once for the end of a line.
const CHUNK: u64 = 64 << 10;

/// Where reading a file is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetTo {
    /// Its first row.
    Start,
    /// What is written after its last complete line.
    End,
    /// The line that begins at this byte.
    Offset(u64),
}

/// Returns a position of this file in the form that a source of `type: file` keeps: when the source
/// opens next, it continues there.
///
/// # Errors
///
/// When the file cannot be read, unless it is to be read from its start; when no line begins at the
/// offset; when the file is compressed, so that its offsets are unknown.
pub fn reset_position(path: impl AsRef<Path>, to: ResetTo) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    if to == ResetTo::Start && !path.exists() {
        return Ok(encode(0, 0, &[]));
    }
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(HEAD.min(256) as u64).read_to_end(&mut head)?;
    let length = file.metadata()?.len();
    let offset = match to {
        ResetTo::Start => 0,
        _ if head.starts_with(&[0x1f, 0x8b]) => {
            return Err(invalid(
                "it is compressed, and can be read from its start only".to_owned(),
            ));
        }
        ResetTo::End => line_start(&mut file, length)?,
        ResetTo::Offset(offset) if offset > length => {
            return Err(invalid(format!(
                "it has {length} bytes, and byte {offset} is behind them"
            )));
        }
        ResetTo::Offset(offset) => match line_start(&mut file, offset)? {
            start if start == offset => offset,
            start => {
                let message =
                    format!("no line begins at byte {offset}; the one it is in begins at {start}");
                return Err(invalid(message));
            }
        },
    };
    Ok(encode(offset, identity(&file.metadata()?), &head))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, message)
}

/// The start of the line that the byte before `end` belongs to, or `end` if that is a line end.
fn line_start(file: &mut File, end: u64) -> io::Result<u64> {
    let mut behind = end;
    while behind > 0 {
        let from = behind.saturating_sub(CHUNK);
        file.seek(SeekFrom::Start(from))?;
        let mut chunk = Vec::new();
        Read::by_ref(file).take(behind - from).read_to_end(&mut chunk)?;
        if let Some(position) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + position as u64 + 1);
        }
        behind = from;
    }
    Ok(0)
}

/// In the first format of positions, which every version reads: a file is known by its inode and
/// beginning.
fn encode(offset: u64, inode: u64, head: &[u8]) -> Vec<u8> {
    let (length, hash) = (head.len(), fnv1a(head));
    format!(r#"{{"offset":{offset},"mark":{{"inode":{inode},"length":{length},"hash":{hash}}}}}"#)
        .into()
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(metadata: &fs::Metadata) -> u64 {
    let made = metadata.created().ok();
    let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    u64::try_from(made.unwrap_or_default().as_nanos()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{ResetTo, reset_position};

    fn check(text: &[u8], to: ResetTo, expect: Result<u64, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        fs::write(&path, text).unwrap();
        let found = reset_position(&path, to).map_err(|error| error.to_string());
        let offset = found.map(|position| {
            let position: serde_json::Value = serde_json::from_slice(&position).unwrap();
            position["offset"].as_u64().unwrap()
        });
        assert_eq!(offset, expect.map_err(str::to_owned));
    }

    #[test]
    fn a_position_is_where_a_line_begins() {
        let text = b"one\ntwo\nthr";
        check(text, ResetTo::Start, Ok(0));
        check(text, ResetTo::End, Ok(8));
        check(b"", ResetTo::End, Ok(0));
        check(b"one", ResetTo::End, Ok(0));
        for line in [0, 4, 8] {
            check(text, ResetTo::Offset(line), Ok(line));
        }
        let within = "no line begins at byte 6; the one it is in begins at 4";
        check(text, ResetTo::Offset(6), Err(within));
        check(text, ResetTo::Offset(12), Err("it has 11 bytes, and byte 12 is behind them"));
        let long = [&[b'x'; 200_000][..], b"\n"].concat();
        check(&long, ResetTo::Offset(200_001), Ok(200_001));
        let within = "no line begins at byte 150000; the one it is in begins at 0";
        check(&long, ResetTo::Offset(150_000), Err(within));
        let compressed = "it is compressed, and can be read from its start only";
        check(b"\x1f\x8bx", ResetTo::End, Err(compressed));
    }

    #[test]
    fn a_file_that_is_not_there_can_be_read_from_its_start() {
        assert!(reset_position("no/such/file", ResetTo::Start).is_ok());
        assert!(reset_position("no/such/file", ResetTo::End).is_err());
    }
}
