//! [`Unpack`]: input that may be gzip, unpacked.

use std::{
    error::Error,
    fmt,
    io::{self, BufRead, BufReader, Chain, Cursor, ErrorKind, Read},
};

use flate2::bufread::GzDecoder;

const GZIP: &[u8] = b"\x1F\x8B";

/// First bytes of formats that cannot be read, their names, and how to unpack them.
const OTHERS: [(&[u8], &str, &str); 3] = [
    (b"PK\x03\x04", "a zip archive", "unzip -p"),
    (b"\x28\xB5\x2F\xFD", "compressed by zstd", "zstd -dc"),
    (b"\xFD7zXZ\0", "compressed by xz", "xz -dc"),
];

/// Input that may be gzip, by its first bytes: of one member or several, which are read as one
/// text. Other input is read unchanged.
///
/// An error in packed input is final: each further read returns it again, so that incomplete text
/// never passes for a complete one.
pub(crate) struct Unpack<R> {
    state: State<R>,
}

/// The input, including its first bytes.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

enum State<R> {
    /// Its first bytes, as far as they are known.
    New(Vec<u8>, R),
    Plain(Whole<R>),
    Member(Box<GzDecoder<BufReader<Whole<R>>>>),
    /// Behind a member.
    Behind(BufReader<Whole<R>>),
    Over,
    Failed(Unpacking),
}

/// Why packed input cannot be read; the text follows its name.
#[derive(Clone, Debug)]
pub(crate) struct Unpacking(String);

impl<R: Read> Unpack<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { state: State::New(Vec::new(), input) }
    }

    /// Looks at the first bytes, and waits for no more than it needs: the next may not come soon.
    fn begin(mut head: Vec<u8>, mut input: R, most: usize) -> (State<R>, io::Result<()>) {
        loop {
            if let Some((_, what, command)) = OTHERS.iter().find(|other| head.starts_with(other.0))
            {
                return (
                    State::Failed(Unpacking(format!(
                        "is {what}, which is not supported; convert it, as with `{command}`"
                    ))),
                    Ok(()),
                );
            }
            let is_gzip = head.starts_with(GZIP);
            let begun = |magic: &[u8]| magic.len() > head.len() && magic.starts_with(&head);
            if !is_gzip && (begun(GZIP) || OTHERS.iter().any(|other| begun(other.0))) {
                let known = head.len();
                head.resize(known + most.max(1), 0);
                let read = input.read(head.get_mut(known..).unwrap_or_default());
                head.truncate(known + read.as_ref().map_or(0, |read| *read));
                match read {
                    Ok(0) => {}
                    Ok(_) => continue,
                    Err(error) => return (State::New(head, input), Err(error)),
                }
            }
            let whole = Cursor::new(head).chain(input);
            let state = match is_gzip {
                true => State::Member(Box::new(GzDecoder::new(BufReader::new(whole)))),
                false => State::Plain(whole),
            };
            return (state, Ok(()));
        }
    }

    /// Another member, the end, or garbage. Some writers pad with zeros.
    fn behind(mut input: BufReader<Whole<R>>) -> (State<R>, io::Result<()>) {
        let state = match input.fill_buf() {
            Err(error) => return (State::Behind(input), Err(error)),
            Ok([]) => State::Over,
            Ok([0x1F, ..]) => State::Member(Box::new(GzDecoder::new(input))),
            Ok(rest) => match rest.iter().position(|byte| *byte != 0) {
                Some(0) => State::Failed(Unpacking(
                    "has something else behind its gzip data; drop that".to_owned(),
                )),
                zeros => {
                    let zeros = zeros.unwrap_or(rest.len());
                    input.consume(zeros);
                    State::Behind(input)
                }
            },
        };
        (state, Ok(()))
    }
}

impl<R: Read> Read for Unpack<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let (state, result) = match std::mem::replace(&mut self.state, State::Over) {
                State::New(head, input) => Self::begin(head, input, buffer.len()),
                State::Plain(mut input) => {
                    let read = input.read(buffer);
                    self.state = State::Plain(input);
                    return read;
                }
                State::Member(mut member) => match member.read(buffer) {
                    Ok(0) if !buffer.is_empty() => (State::Behind(member.into_inner()), Ok(())),
                    Err(error) if is_final(&error) => (State::Failed(failure(&error)), Ok(())),
                    read => {
                        self.state = State::Member(member);
                        return read;
                    }
                },
                State::Behind(input) => Self::behind(input),
                State::Over => return Ok(0),
                State::Failed(failure) => {
                    self.state = State::Failed(failure.clone());
                    return Err(io::Error::new(ErrorKind::InvalidData, failure));
                }
            };
            self.state = state;
            result?;
        }
    }
}

/// Returns whether the packed data is at fault, not the reading of it.
fn is_final(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput
    )
}

fn failure(error: &io::Error) -> Unpacking {
    Unpacking(match error.kind() {
        ErrorKind::UnexpectedEof => {
            "is gzip that breaks off: its end is missing, and the rows there; get the whole file"
                .to_owned()
        }
        _ => format!("is gzip that is damaged ({error}); get it again"),
    })
}

impl fmt::Display for Unpacking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for Unpacking {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Reads in pieces of at most so many bytes, each after an interruption.
    struct Pieces<'a>(&'a [u8], usize, bool);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(ErrorKind::Interrupted.into());
            }
            let most = self.1.min(buffer.len());
            self.0.read(buffer.get_mut(..most).unwrap_or_default())
        }
    }

    /// What is read, and the error that ends it.
    fn check(input: &[u8], text: &[u8], failure: &str) {
        for most in [1, 2, 7, 1 << 20] {
            let mut unpack = Unpack::new(Pieces(input, most, false));
            let (mut read, mut buffer) = (Vec::new(), [0; 1000]);
            let found = loop {
                match unpack.read(&mut buffer) {
                    Ok(0) => break String::new(),
                    Ok(more) => read.extend_from_slice(&buffer[..more]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        let again = unpack.read(&mut buffer).unwrap_err();
                        assert_eq!(error.to_string(), again.to_string(), "an error is final");
                        break error.to_string();
                    }
                }
            };
            assert!(
                found.starts_with(failure) && found.is_empty() == failure.is_empty(),
                "{found}"
            );
            assert!(text.starts_with(&read), "{:?}", String::from_utf8_lossy(&read));
            assert!(!failure.is_empty() || text == read, "something is missing");
        }
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes_and_all_else_is_left_alone() {
        let text = "{\"id\":1}\n".repeat(5000).into_bytes();
        check(&text, &text, "");
        check(b"", b"", "");
        for plain in [&b"\x1F"[..], b"\x1F\x1F\x8B", b"P", b"PK", b"PK,3", b"\xFD7z", b"\x28\xB5,"]
        {
            check(plain, plain, "");
        }
        check(&gzip(&text), &text, "");
        check(&gzip(b""), b"", "");
        let twice = [gzip(b"a"), gzip(b""), gzip(b"b\n")].concat();
        check(&twice, b"ab\n", "");
        check(&[gzip(b"a"), vec![0; 3000]].concat(), b"a", "");
        check(&[gzip(b"a"), vec![0; 30], gzip(b"b")].concat(), b"ab", "");
    }

    #[test]
    fn gzip_that_is_not_whole_is_an_error_wherever_it_breaks_off() {
        let text = b"{\"id\":1}\n{\"id\":2}\n".as_slice();
        let whole = gzip(text);
        for end in 2..whole.len() {
            check(&whole[..end], text, "is gzip that breaks off: ");
            let second = [&whole[..], &whole[..end]].concat();
            check(&second, &text.repeat(2), "is gzip that breaks off: ");
        }
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        check(&damaged, text, "is gzip that is damaged (");
        check(&[whole, b"more".to_vec()].concat(), text, "has something else behind its gzip data");
    }

    #[test]
    fn what_cannot_be_unpacked_says_so() {
        check(
            b"PK\x03\x04...",
            b"",
            "is a zip archive, which is not supported; convert it, as with `unzip -p`",
        );
        check(b"\x28\xB5\x2F\xFD...", b"", "is compressed by zstd, which is not supported");
        check(b"\xFD7zXZ\0...", b"", "is compressed by xz, which is not supported");
    }
}
