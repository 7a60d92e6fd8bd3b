//! What stands at an address: NATS greets whoever connects, most others wait to be asked.

use std::time::Duration;

use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use kisflow_core::Address;

/// What a server does when somebody connects.
#[derive(Debug, PartialEq)]
pub(crate) enum Greeting {
    /// No connection.
    Away,
    /// A connection, and not a word.
    Silent,
    /// As NATS.
    Nats,
    /// In other words.
    Other,
}

/// Connects, and listens for a while.
pub(crate) async fn greeting(address: &Address, patience: Duration) -> Greeting {
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let Ok(Ok(mut stream)) = timeout(patience, connecting).await else { return Greeting::Away };
    let mut word = [0; 5];
    match timeout(patience, stream.read_exact(&mut word)).await {
        Err(_) => Greeting::Silent,
        Ok(Ok(_)) if &word == b"INFO " => Greeting::Nats,
        Ok(_) => Greeting::Other,
    }
}
