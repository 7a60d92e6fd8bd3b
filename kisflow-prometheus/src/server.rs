//! The port, and the connections to it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

/// The most connections at once; more wait to be accepted.
const CONNECTIONS: usize = 64;

/// How many connections the system keeps that are not accepted yet.
const BACKLOG: u32 = 128;

/// How long a client may take to send its headers, and a connection may be idle. Prometheus connects
/// again if it scrapes less often.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// How long a connection may last, so that clients that do not read leave room for others.
const CONNECTION_TIME: Duration = Duration::from_secs(60);

/// The pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the port.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections that closed a moment ago do not keep the port. (Elsewhere it would share it.)
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until it is dropped; the connections end with it.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = places.clone().acquire_owned().await;
        let accepted = listener.accept().await;
        // Those that ended leave the set.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone());
                connections.spawn(async move {
                    let _place = place;
                    // One that lasts longer is closed; its client connects again.
                    drop(timeout(CONNECTION_TIME, connection).await);
                });
            }
            // The client went before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let mut server = http1::Builder::new();
    // A client may close its side behind the request, and still reads the answer.
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).half_close(true);
    // An error is the client's: it has gone, or does not speak HTTP and was told so.
    drop(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await);
}
