//! `quarantine discard`: rows are taken out for good.

use std::io::{self, IsTerminal};

use kisflow_core::Quarantine;
use serde::Serialize;

use super::{
    args::{Choice, DiscardArgs},
    ids, known,
    retry::progress,
    store::{Store, failed},
};
use crate::{
    args::{Common, Output},
    failure::Failure,
    terminal,
    text::rows,
};

/// What `--output json` prints.
#[derive(Serialize)]
struct Discarded {
    discarded: usize,
}

pub(super) async fn run(store: &Store, common: &Common, args: DiscardArgs) -> Result<(), Failure> {
    let choice = args.rows.choice()?;
    if matches!(choice, Choice::All(_)) && !args.yes && !is_asked() {
        return Err(Failure::usage("--all needs --yes where there is no terminal to ask on"));
    }
    let quarantine = store.look().await?;
    let ids = match choice {
        Choice::Ids(given) => {
            let rows = ids::rows(&quarantine, &given).await?;
            rows.into_iter().map(|row| row.id).collect()
        }
        Choice::All(filter) => {
            let ids = quarantine.ids(&filter).await.map_err(|error| failed(&error))?;
            if ids.is_empty() {
                known::check(&quarantine, store.conf(), &filter).await?;
            } else if !args.yes && !agreed(ids.len())? {
                return Err(Failure::no("nothing was discarded"));
            }
            ids
        }
    };
    discard(&quarantine, &ids, &args.reason).await?;
    match common.output {
        Output::Json => terminal::print_json(&Discarded { discarded: ids.len() }),
        Output::Table if ids.is_empty() => terminal::print("no row to discard\n"),
        Output::Table => terminal::print(&format!("{} discarded\n", rows(ids.len()))),
    }
}

async fn discard(quarantine: &Quarantine, ids: &[String], reason: &str) -> Result<(), Failure> {
    let bar = progress(ids.len());
    for id in ids {
        quarantine.discard(id, reason).await.map_err(|error| failed(&error))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Whether there is somebody to ask.
fn is_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn agreed(count: usize) -> Result<bool, Failure> {
    terminal::say(&format!("discard {}? [y/N] ", rows(count)));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| Failure::io("cannot read the answer", &error))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
