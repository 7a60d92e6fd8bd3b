//! Names of connections, as `CLIENT LIST` shows them: `kisflow:<connector or source>`.

use fred::{
    clients::Client,
    interfaces::{ClientInterface, ClientLike, EventInterface},
};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

/// What the connections of a connector or source are named.
pub(crate) fn client_name(owner: &str) -> String {
    // Redis takes no blanks and nothing but ASCII.
    let plain = |letter: char| if letter.is_ascii_graphic() { letter } else { '_' };
    format!("kisflow:{}", owner.chars().map(plain).collect::<String>())
}

/// Names every connection that the client makes from now on. A user who may not run `CLIENT SETNAME`
/// has connections without a name.
pub(crate) fn name_connections(client: &Client, name: String) -> JoinHandle<()> {
    let mut connected = client.reconnect_rx();
    let client = client.clone();
    tokio::spawn(async move {
        loop {
            let server = match connected.recv().await {
                Ok(server) => server,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            let named: Result<(), _> = match client.is_clustered() {
                true => client.with_cluster_node(server).client_setname(name.as_str()).await,
                false => client.client_setname(name.as_str()).await,
            };
            if let Err(error) = named {
                tracing::debug!(name, error = %error.details(), "a connection to redis has no name");
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::client_name;

    #[test]
    fn a_name_has_no_letters_that_redis_refuses() {
        assert_eq!(client_name("orders"), "kisflow:orders");
        assert_eq!(client_name("my orders\n€"), "kisflow:my_orders__");
    }
}
