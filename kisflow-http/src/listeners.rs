//! [`Listeners`]: the addresses that the sources of one `serve` share.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use kisflow_core::CancellationToken;

use crate::{error::HttpError, gate::Gate, routes::Routes, server::Server, tls::Tls};

/// The listeners of one `serve`, by address: the first source opens one, the last closes it.
#[derive(Default)]
pub(crate) struct Listeners {
    by_address: Mutex<HashMap<SocketAddr, Listener>>,
}

struct Listener {
    server: Server,
    routes: Arc<Routes>,
    tls: Option<Tls>,
}

impl Listeners {
    /// Opens a path at an address.
    ///
    /// # Errors
    ///
    /// When the address is not available, another flow has the path, or the flows there do not
    /// agree on TLS.
    pub(crate) fn join(
        self: Arc<Self>,
        source: &str,
        address: SocketAddr,
        gate: Arc<Gate>,
        tls: Option<Tls>,
    ) -> Result<Seat, HttpError> {
        let taken = |other: String| HttpError::taken(&gate.flow, &other, &gate.path, address);
        let gone = self.with(|by_address| {
            let listener = match by_address.entry(address) {
                Entry::Occupied(open) if open.get().tls != tls => {
                    return Err(HttpError::other_tls(source, address));
                }
                Entry::Occupied(open) => {
                    open.get().routes.add(gate.clone()).map_err(taken)?;
                    open.into_mut()
                }
                Entry::Vacant(place) => {
                    // The path exists before the port is open: no client gets 404.
                    let routes = Arc::new(Routes::default());
                    routes.add(gate.clone()).map_err(taken)?;
                    let server = start(source, address, &routes, tls.clone())?;
                    place.insert(Listener { server, routes, tls })
                }
            };
            Ok::<_, HttpError>(listener.server.gone().clone())
        })?;
        Ok(Seat { listeners: self, source: source.to_owned(), address, gate, gone })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<SocketAddr, Listener>) -> T) -> T {
        change(&mut self.by_address.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn start(
    source: &str,
    address: SocketAddr,
    routes: &Arc<Routes>,
    tls: Option<Tls>,
) -> Result<Server, HttpError> {
    Server::start(address, routes.clone().router(), tls)
        .map_err(|error| HttpError::bind(source, address, error))
}

/// One source's place at a listener, until this is dropped.
pub(crate) struct Seat {
    listeners: Arc<Listeners>,
    source: String,
    address: SocketAddr,
    gate: Arc<Gate>,
    gone: CancellationToken,
}

impl Seat {
    /// Waits until the listener has died.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only waits.
    pub(crate) async fn gone(&self) -> HttpError {
        self.gone.cancelled().await;
        HttpError::lost(self.address)
    }

    /// Opens the listener again if it has died, for all who share it.
    ///
    /// # Errors
    ///
    /// When the address is not available.
    pub(crate) fn mend(&mut self) -> Result<(), HttpError> {
        if !self.gone.is_cancelled() {
            return Ok(());
        }
        let Self { listeners, source, address, .. } = self;
        self.gone = listeners.with(|by_address| {
            let Some(listener) = by_address.get_mut(address) else {
                return Err(HttpError::lost(*address));
            };
            if listener.server.gone().is_cancelled() {
                listener.server = start(source, *address, &listener.routes, listener.tls.clone())?;
            }
            Ok(listener.server.gone().clone())
        })?;
        Ok(())
    }

    /// Leaves; the last to go closes the port, and waits until that is done.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the port, too.
    pub(crate) async fn leave(self) {
        if let Some(Listener { server, .. }) = self.vacate() {
            server.stop().await;
        }
    }

    /// The listener, if this was the last seat.
    fn vacate(&self) -> Option<Listener> {
        self.listeners.with(|by_address| {
            let empty = by_address.get(&self.address)?.routes.leave(&self.gate);
            empty.then(|| by_address.remove(&self.address)).flatten()
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop(self.vacate());
    }
}
