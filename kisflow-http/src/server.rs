//! [`Server`]: one address, and the connections that are made to it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use kisflow_core::CancellationToken;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

/// The most connections at once; more wait to be accepted.
const CONNECTIONS: usize = 1_024;

/// How many connections the system keeps that are not accepted yet.
const BACKLOG: u32 = 1_024;

/// How long a client may take to send its headers, and a connection may be idle.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// The pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long answers may take to be written once the server stops.
const STOP_TIME: Duration = Duration::from_secs(2);

/// A listener and its connections. Dropped, all of them end at once.
pub(crate) struct Server {
    stop: CancellationToken,
    /// Cancelled when nobody accepts connections any more, whatever the reason.
    gone: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    ///
    /// When the address is not to be had.
    pub(crate) fn start(address: SocketAddr, router: Router) -> io::Result<Self> {
        let listener = listen(address)?;
        let (stop, gone) = (CancellationToken::new(), CancellationToken::new());
        let (stopped, guard) = (stop.clone(), gone.clone().drop_guard());
        let task = tokio::spawn(async move {
            let _guard = guard;
            accept(listener, router, stopped).await;
        });
        Ok(Self { stop, gone, task })
    }

    /// Cancelled when the server has died.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// Closes the port, lets answers be written that are due, and closes the connections.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes everything at once.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        // It ends by itself; whether it did so well is of no interest any more.
        drop((&mut self.task).await);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections that closed a moment ago do not keep the port. (Elsewhere it would share it.)
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            place = places.clone().acquire_owned() => place,
        };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        // Those that ended leave the set.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let connection = serve(stream, router.clone(), stop.clone());
                connections.spawn(async move {
                    let _place = place;
                    connection.await;
                });
            }
            // The client went before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    // What is not written by then is closed with the set.
    drop(timeout(STOP_TIME, async { while connections.join_next().await.is_some() {} }).await);
}

async fn serve(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Answers are small: none waits for another to fill a packet. Without it they are only slower.
    drop(stream.set_nodelay(true));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    let connection =
        server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // An error is the client's: it has gone, or does not speak HTTP and was told so.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}
