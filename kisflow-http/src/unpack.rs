//! [`Encoding`]: bodies that are compressed, unpacked within bounds of size and memory.

use std::io::Read;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status, read::MultiGzDecoder};

use crate::{memory::Held, refusal::Refusal};

/// How much is unpacked until the bounds are looked at.
const STEP: usize = 64 << 10;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    /// By its definition zlib; some clients send raw deflate, which is taken as well.
    Deflate,
}

/// Unpacks a body, and stops where it grows too large.
pub(crate) fn unpack(
    packed: &Bytes,
    encoding: Encoding,
    limit: usize,
    held: &mut Held,
) -> Result<Bytes, Refusal> {
    let mut plain = Plain { bytes: Vec::new(), limit, held };
    match encoding {
        Encoding::Gzip => gunzip(packed, &mut plain)?,
        Encoding::Deflate if is_zlib(packed) => inflate(packed, true, &mut plain)?,
        Encoding::Deflate => inflate(packed, false, &mut plain)?,
    }
    let plain = plain.bytes;
    held.shrink(packed.len());
    Ok(plain.into())
}

/// What has been unpacked so far.
struct Plain<'a> {
    bytes: Vec<u8>,
    limit: usize,
    held: &'a mut Held,
}

impl Plain<'_> {
    fn add(&mut self, step: &[u8]) -> Result<(), Refusal> {
        let limit = self.limit;
        if self.bytes.len() + step.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        self.held.grow(step.len())?;
        self.bytes.extend_from_slice(step);
        Ok(())
    }
}

fn gunzip(packed: &[u8], plain: &mut Plain<'_>) -> Result<(), Refusal> {
    let broken = |cause: String| Refusal::Packed { encoding: "gzip", cause };
    let mut unpacked = MultiGzDecoder::new(packed);
    let mut step = vec![0; STEP];
    loop {
        match unpacked.read(&mut step).map_err(|error| broken(error.to_string()))? {
            0 => return Ok(()),
            read => plain.add(step.get(..read).unwrap_or_default())?,
        }
    }
}

/// Whether the first two bytes are a header of zlib. Raw deflate begins with other bits.
fn is_zlib(packed: &[u8]) -> bool {
    match packed {
        [first, second, ..] => {
            first & 0x0f == 8
                && first >> 4 <= 7
                && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0
        }
        _ => false,
    }
}

fn inflate(packed: &[u8], zlib: bool, plain: &mut Plain<'_>) -> Result<(), Refusal> {
    let broken = |cause: &str| Refusal::Packed { encoding: "deflate", cause: cause.to_owned() };
    let mut inflate = Decompress::new(zlib);
    let mut step = vec![0; STEP];
    let mut rest = packed;
    loop {
        let (read_before, written_before) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(rest, &mut step, FlushDecompress::None)
            .map_err(|error| broken(&error.to_string()))?;
        // Both are at most what was handed in.
        let read = (inflate.total_in() - read_before) as usize;
        let written = (inflate.total_out() - written_before) as usize;
        plain.add(step.get(..written).unwrap_or_default())?;
        rest = rest.get(read..).unwrap_or_default();
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(()),
            Status::StreamEnd => return Err(broken("more stands behind its end")),
            Status::Ok | Status::BufError if read == 0 && written == 0 => {
                return Err(broken("it breaks off"));
            }
            Status::Ok | Status::BufError => {}
        }
    }
}
