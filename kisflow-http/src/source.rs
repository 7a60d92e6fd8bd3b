//! [`Http`]: the source itself.

use std::{fmt, net::SocketAddr, sync::Arc};

use kisflow_core::{Delivery, Redelivery, Result, Source, SourceConf, SourceContext, async_trait};
use tokio::{net::lookup_host, task::JoinSet};

use crate::{
    body::Pace,
    check,
    error::HttpError,
    gate::{Gate, Rules},
    kept::{KeptPosts, forget},
    keys::Keys,
    listeners::{Listeners, Seat},
    params::HttpParams,
    queue::{Queue, queue},
    tls::Tls,
};

/// `type: http`: posted rows.
///
/// A post is answered when its rows are done. The engine takes a batch when it has room for one; up
/// to `queue` posts with `memory_bytes` in all wait beside that, and further ones get 429. Sources
/// that are served together share a listener if their `addrs` are the same; each has its own path.
pub struct Http {
    queue: Queue,
    seat: Seat,
    /// Whether the listener has died, and this was reported.
    lost: bool,
    /// Removes old keys from the store, under `guarantee: exactly_once`.
    _forgetting: JoinSet<()>,
}

impl fmt::Debug for Http {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Http").finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for Http {
    const TYPE: &'static str = "http";
    type Params = HttpParams;

    fn check(conf: &SourceConf, params: &HttpParams) -> Vec<(String, String)> {
        check::check(conf, params)
    }

    /// How far the post of each idempotency key is done is kept, as long as the key is remembered.
    fn redelivery(_: &SourceConf, params: &HttpParams) -> Redelivery {
        match params.idempotency.is_zero() || params.idempotency_keys == 0 {
            true => Redelivery::Unrecognized("remembers no idempotency keys, by which a row that is posted again is recognized (`idempotency_ms`, `idempotency_keys`)".to_owned()),
            false => Redelivery::Recognized,
        }
    }

    /// Opens the path, and the port unless another source of this `serve` has opened it.
    ///
    /// # Errors
    ///
    /// When the address is not available, another flow has the same path there, or the other
    /// sources there have another certificate.
    async fn open(conf: &SourceConf, params: HttpParams, context: SourceContext) -> Result<Self> {
        if let Some((path, message)) = check::check(conf, &params).into_iter().next() {
            return Err(HttpError::conf(&conf.sname, path, message).into());
        }
        let token = check::token(&params).map_err(|message| {
            HttpError::conf(&conf.sname, "params.token_env".to_owned(), message)
        })?;
        let tls = Tls::read(&params)
            .map_err(|(path, message)| HttpError::conf(&conf.sname, path.to_owned(), message))?;
        let address = resolve(conf).await?;
        let rows = usize::try_from(conf.batch.rows).unwrap_or(usize::MAX);
        let (window, most) = (params.idempotency, params.idempotency_keys);
        let kept = context.is_exactly_once().then(|| KeptPosts::new(context.clone()));
        let keys = match &kept {
            // Another process may be working on a post until it is too late for its client.
            Some(posts) => Keys::kept(window + params.timeout, most, posts.all().await?),
            None => Keys::new(window, most),
        };
        let mut forgetting = JoinSet::new();
        if kept.is_some() {
            forgetting.spawn(forget(context.clone(), keys.clone()));
        }
        let (entrance, queue) = queue(params.queue, rows);
        let path = if conf.key.is_empty() { "/".to_owned() } else { conf.key.clone() };
        let limit = params.timeout;
        let rules = Rules {
            pace: Pace {
                bytes: params.max_body_bytes,
                whole: limit,
                idle: params.idle,
                rate: params.min_bytes_per_second,
            },
            queue: params.queue,
            limit,
            memory_bytes: params.memory(),
            token,
        };
        let draining = context.draining().clone();
        let names = (context.flow().to_owned(), path);
        let gate = Gate::new(names, rules, draining, entrance, (keys, kept));
        let seat = context.shared::<Listeners>().join(&conf.sname, address, Arc::new(gate), tls)?;
        Ok(Self { queue, seat, lost: false, _forgetting: forgetting })
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        if self.lost {
            self.seat.mend()?;
            self.lost = false;
        }
        tokio::select! {
            biased;
            delivery = self.queue.deliver() => Ok(delivery),
            error = self.seat.gone() => {
                self.lost = true;
                Err(error.into())
            }
        }
    }

    async fn lag(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.queue.rows()))
    }

    async fn close(self) -> Result<()> {
        self.queue.close();
        self.seat.leave().await;
        Ok(())
    }
}

/// Returns the first address to which `addrs` resolves.
async fn resolve(conf: &SourceConf) -> Result<SocketAddr, HttpError> {
    let unknown = |error| HttpError::host(&conf.sname, &conf.addrs, error);
    let mut addresses = lookup_host(&conf.addrs).await.map_err(|error| unknown(Some(error)))?;
    addresses.next().ok_or_else(|| unknown(None))
}
