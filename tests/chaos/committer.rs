//! A process that makes random commits on shared entries until it is killed: what the chaos tests of
//! stores run several of.
//!
//! `chaos_committer ENGINE ADDR NAME LOG` appends to the log what it knows of each commit: `sent N`
//! before, and then `done N` or `refused N`.

#![allow(missing_docs, reason = "a part of the tests")]

use std::{fs::File, io::Write, time::Duration};

use kisflow::{
    ConnConf, Postgres, Redis, Registry, Result,
    durable::{Commit, CommitError, Durable, Key},
};

/// How many accounts there are. Two commits often want the same, in another order.
const ACCOUNTS: u64 = 12;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, addr, name, log] = arguments.as_slice() else {
        return Err("usage: chaos_committer ENGINE ADDR NAME LOG".into());
    };
    let registry = Registry::new().connector::<Redis>().connector::<Postgres>();
    let conf = ConnConf::new("facts", &**engine).addrs(&**addr);
    let durable = loop {
        match registry.durable(&conf).await {
            Ok(durable) => break durable,
            // The server is killed as well.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let mut log = File::options().create(true).append(true).open(log)?;
    for number in 0_u64.. {
        let word = transfer(&*durable, name, number, &mut log).await?;
        writeln!(log, "{word} {number}")?;
    }
    Ok(())
}

/// Adds 1 to two accounts, and a record of it; returns what became of that.
async fn transfer(
    durable: &dyn Durable,
    name: &str,
    number: u64,
    log: &mut File,
) -> Result<&'static str> {
    let first = fastrand::u64(..ACCOUNTS);
    let second = (first + fastrand::u64(1..ACCOUNTS)) % ACCOUNTS;
    let accounts = [first, second].map(|account| Key::new("accounts").number(account));
    let Ok(found) = durable.read(&accounts).await else { return Ok("refused") };
    let record = Key::new("records").text(name).number(number);
    let mut commit = Commit::new().put_new(record, "1");
    for (key, entry) in accounts.into_iter().zip(&found) {
        let balance = entry.as_ref().map_or(Ok(0), |entry| text(&entry.value).parse::<u64>())?;
        commit = commit.replace(key, entry.as_ref(), (balance + 1).to_string());
    }
    writeln!(log, "sent {number}")?;
    loop {
        match durable.commit(&commit).await {
            Ok(()) => return Ok("done"),
            Err(CommitError::Conflict(_)) => return Ok("refused"),
            // Others have overwritten all of it: it may have taken effect.
            Err(CommitError::Lost) => return Ok("lost"),
            Err(CommitError::Outage(_)) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                commit = commit.sent_again();
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default()
}
