//! [`Server`]: one address, and the connections that are made to it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use kisflow_core::CancellationToken;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    crowd::{Crowd, Place},
    tls::Tls,
};

/// The most connections at once. For one more, the one that has been quiet the longest is closed.
const CONNECTIONS: usize = 1_024;

/// How many connections the system keeps that are not accepted yet.
const BACKLOG: u32 = 1_024;

/// How long a client may take to send its headers, and a connection may be idle.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// The pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long answers may take to be written once the server stops.
const STOP_TIME: Duration = Duration::from_secs(2);

/// A listener and its connections. If it is dropped, all of them end at once.
pub(crate) struct Server {
    stop: CancellationToken,
    /// Cancelled when no connections are accepted any more, whatever the reason.
    gone: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    ///
    /// When the address is not available.
    pub(crate) fn start(address: SocketAddr, router: Router, tls: Option<Tls>) -> io::Result<Self> {
        let listener = listen(address)?;
        let (stop, gone) = (CancellationToken::new(), CancellationToken::new());
        let (stopped, guard) = (stop.clone(), gone.clone().drop_guard());
        let task = tokio::spawn(async move {
            let _guard = guard;
            accept(listener, router, tls, stopped, Crowd::new(CONNECTIONS)).await;
        });
        Ok(Self { stop, gone, task })
    }

    /// Cancelled when the server has died.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// Closes the port, finishes pending answers, and closes the connections.
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

async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    stop: CancellationToken,
    crowd: Arc<Crowd>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        // Those that ended leave the set.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let Some(place) = stop.run_until_cancelled(crowd.join()).await else { break };
                let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
                connections.spawn(async move {
                    let connection = connection(stream, router, tls, place.clone(), stop);
                    tokio::select! {
                        () = connection => {}
                        () = place.gives_way() => {}
                    }
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

async fn connection(
    stream: TcpStream,
    router: Router,
    tls: Option<Tls>,
    place: Arc<Place>,
    stop: CancellationToken,
) {
    // Answers are small: none waits for another to fill a packet. Without it they are only slower.
    drop(stream.set_nodelay(true));
    let Some(tls) = tls else { return serve(stream, router, place, stop).await };
    let shake = timeout(HEADER_TIME, tls.acceptor().accept(stream));
    // A client that does not speak TLS got the alert that TLS has for that.
    if let Some(Ok(Ok(stream))) = stop.run_until_cancelled(shake).await {
        serve(stream, router, place, stop).await;
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    place: Arc<Place>,
    stop: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(place.clone());
        router.call(request)
    });
    let mut server = http1::Builder::new();
    // A client may close its side behind the request, and still reads the answer.
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).half_close(true);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // An error is the client's: it is gone, or does not speak HTTP and got an answer that says
        // so.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn connections_that_say_nothing_keep_no_other_out() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(async || "here\n");
        let stop = CancellationToken::new();
        let serving = accept(listener, router, None, stop.clone(), Crowd::new(3));
        let asking = async {
            let mut mute = Vec::new();
            for _ in 0..3 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nhost: he").await.unwrap();
                mute.push(stream);
            }
            for _ in 0..5 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
                let mut answer = [0; 15];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"HTTP/1.1 200 OK");
                // Kept open, it is quiet like those.
                mute.push(stream);
            }
            stop.cancel();
        };
        let both = async { tokio::join!(serving, asking) };
        timeout(HEADER_TIME - Duration::from_secs(5), both).await.unwrap();
    }
}
