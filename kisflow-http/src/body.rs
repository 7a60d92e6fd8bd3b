//! The bytes of a body: read within bounds of size, time and memory.

use std::{future::poll_fn, pin::Pin, time::Duration};

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{memory::Held, refusal::Refusal};

/// How much of a body that is refused is read on, so that the client gets to the answer.
const REST_BYTES: usize = 16 << 20;

/// How long that may take.
const REST_TIME: Duration = Duration::from_secs(1);

/// The bounds of a body on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The largest body.
    pub(crate) bytes: usize,
    /// How long the whole body may take.
    pub(crate) whole: Duration,
    /// How long it may take from one piece to the next.
    pub(crate) idle: Duration,
    /// How many bytes a second there must be on the average, once `idle` has passed.
    pub(crate) rate: u64,
}

impl Pace {
    /// Until when the next piece must be there, and what to say if it is not.
    fn deadline(&self, begun: Instant, last: Instant, bytes: usize) -> (Instant, Refusal) {
        let Self { whole, idle, rate, .. } = *self;
        let paid = Duration::from_millis((bytes as u64).saturating_mul(1_000) / rate.max(1));
        let ends = [
            (begun.checked_add(whole), Refusal::Slow { limit: whole }),
            (last.checked_add(idle), Refusal::Idle { limit: idle }),
            (begun.checked_add(idle.saturating_add(paid)), Refusal::Rate { rate }),
        ];
        let far = begun + Duration::from_secs(86_400 * 365);
        ends.into_iter()
            .map(|(end, refusal)| (end.unwrap_or(far), refusal))
            .min_by_key(|(end, _)| *end)
            .unwrap_or((far, Refusal::Slow { limit: whole }))
    }
}

/// Reads a body to its end. Its bytes are counted in `held` as they come.
pub(crate) async fn read(body: &mut Body, pace: Pace, held: &mut Held) -> Result<Bytes, Refusal> {
    let limit = pace.bytes;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Refusal::TooLarge { limit });
    }
    let give_way = held.arrive();
    let begun = Instant::now();
    let mut last = begun;
    let (mut first, mut more) = (Bytes::new(), BytesMut::new());
    loop {
        let bytes = first.len() + more.len();
        let (end, late) = pace.deadline(begun, last, bytes);
        let piece = tokio::select! {
            biased;
            () = give_way.cancelled() => return Err(held.taken()),
            piece = timeout_at(end, chunk(body)) => piece.map_err(|_| late)?,
        };
        let Some(piece) = piece else { break };
        let piece = piece?;
        if piece.is_empty() {
            continue;
        }
        if bytes + piece.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        held.grow(piece.len())?;
        last = Instant::now();
        // Most bodies come in one piece, which needs no copy.
        match bytes {
            0 => first = piece,
            _ => {
                more.extend_from_slice(&std::mem::take(&mut first));
                more.extend_from_slice(&piece);
            }
        }
    }
    held.arrived()?;
    Ok(if more.is_empty() { first } else { more.freeze() })
}

/// Reads what is left of a body that is refused, within bounds: a client that is still sending
/// would see a broken connection, and not the answer.
pub(crate) async fn discard(body: &mut Body) {
    let rest = async {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = chunk(body).await {
            bytes += chunk.len();
            if bytes > REST_BYTES {
                return;
            }
        }
    };
    // What is not read by then is given up: the connection closes.
    let _ = timeout(REST_TIME, rest).await;
}

async fn chunk(body: &mut Body) -> Option<Result<Bytes, Refusal>> {
    if body.is_end_stream() {
        return None;
    }
    let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
    // Trailers hold no rows.
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(|_| Refusal::BrokenOff))
}
