//! A private nats-server, and what tests do with it.

use std::{io::Read, net::TcpStream, path::Path, process::Command};

use async_nats::{
    Client,
    jetstream::{self, stream},
};

use super::server::{PATIENCE, Program, Server};

pub(crate) type NatsServer = Server<Nats>;

/// nats-server, with these options as on its command line.
pub(crate) struct Nats {
    options: Vec<String>,
}

impl Program for Nats {
    /// Debian puts it where not every user's PATH leads.
    const PATHS: &'static [&'static str] = &["nats-server", "/usr/sbin/nats-server"];
    const MISSING: &'static str = "these tests need nats-server 2.9 or later: `apt-get install nats-server`, `brew install nats-server`";

    fn arguments(&self, command: &mut Command, port: u16, dir: &Path) {
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(dir);
        command.args(&self.options);
    }

    /// NATS greets whoever connects.
    fn answers(&self, port: u16) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut word = [0; 5];
        stream.read_exact(&mut word).is_ok() && &word == b"INFO "
    }
}

impl NatsServer {
    /// Starts a server with JetStream.
    pub(crate) fn start() -> Self {
        Self::start_with(&["-js"])
    }

    /// Starts a server with options as on nats-server's command line: `-js` for JetStream, `--user`,
    /// `--tls`, … What it knows of consumers in the moments before a crash is not in its store; it is
    /// when it is stopped.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::of(Nats { options: options.iter().map(|option| (*option).to_owned()).collect() })
    }

    /// Another client than those under test.
    pub(crate) async fn client(&self) -> Client {
        async_nats::connect(self.addr()).await.unwrap()
    }

    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.client().await)
    }

    /// Makes a stream in files.
    pub(crate) async fn create_stream(&self, name: &str, subjects: &[&str]) {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
            ..stream::Config::default()
        };
        self.jetstream().await.create_stream(config).await.unwrap();
    }

    /// Publishes rows in order; they are in the stream when it returns.
    pub(crate) async fn publish(&self, subject: &str, rows: impl IntoIterator<Item = String>) {
        let jetstream = self.jetstream().await;
        for row in rows {
            jetstream.publish(subject.to_owned(), row.into()).await.unwrap().await.unwrap();
        }
    }
}
