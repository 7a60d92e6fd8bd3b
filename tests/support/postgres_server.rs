//! A private server of PostgreSQL, and what tests do with it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
};

use super::server::{PATIENCE, Program, Server};

pub(crate) type PostgresServer = Server<Postgres>;

/// The server, with these options as on its command line.
pub(crate) struct Postgres {
    options: Vec<String>,
}

impl Program for Postgres {
    /// The shell becomes the server.
    const PATHS: &'static [&'static str] = &["sh"];
    const MISSING: &'static str = "these tests need a shell";

    fn arguments(&self, command: &mut Command, port: u16, dir: &Path) {
        let script = include_str!("../../kisflow-postgres/src/server.sh");
        command.args(["-c", script, "sh"]).arg(dir).arg(port.to_string()).args(&self.options);
    }

    /// It lets everybody in once it is up.
    fn answers(&self, port: u16) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let hello = b"\0\x03\0\0user\0kisflow\0database\0postgres\0\0";
        let length = u32::try_from(hello.len() + 4).unwrap().to_be_bytes();
        let mut kind = [0];
        stream.write_all(&[&length[..], hello].concat()).is_ok()
            && stream.read_exact(&mut kind).is_ok()
            && &kind == b"R"
    }
}

impl PostgresServer {
    /// Starts a server that does not wait for its disk: it may lose everything when it is killed.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--fsync=off", "--synchronous_commit=off", "--full_page_writes=off"])
    }

    /// Starts a server with options as on its command line.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::of(Postgres { options: options.iter().map(|option| (*option).to_owned()).collect() })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://kisflow@127.0.0.1:{}/postgres", self.port())
    }
}
