//! `positions reset`, `positions move` and `positions copy`.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kisflow_core::{Durable, StoredPosition, StoredStates, carry_over, suggest};
use kisflow_file::{ResetTo, reset_position};
use serde::Serialize;

use super::{
    args::{CopyArgs, MoveArgs, ResetArgs, Which},
    look::elsewhere,
    store::{Store, all},
};
use crate::{
    args::{Common, Output},
    failure::Failure,
    moment, terminal,
    text::{counted, one_line, rows},
};

/// A position that was kept so lately may be kept again by a service that is running.
const JUST_NOW: Duration = Duration::from_secs(10);

/// What `--output json` prints.
#[derive(Serialize)]
struct Changed {
    positions: usize,
}

pub(super) async fn reset(store: &Store, common: &Common, args: ResetArgs) -> Result<(), Failure> {
    let ResetArgs { flow, part, to, drop_states, keep_states, force } = args;
    let conf = &store.conf;
    let Some(found) = conf.flows.get(&flow) else {
        let hint = suggest(&flow, conf.flows.keys().map(String::as_str));
        return Err(Failure::usage(one_line(&format!("no flow is named \"{flow}\"{hint}"))));
    };
    let source = found.source.as_ref().and_then(|sname| conf.sources.get(sname));
    let Some(source) = source else {
        return Err(Failure::usage(one_line(&format!("flow `{flow}` has no source"))));
    };
    let (sname, durable) = (&source.sname, store.alone().await?);
    let which = Which { flow: Some(flow.clone()), source: Some(sname.clone()), part: part.clone() };
    let kept: Vec<_> = all(&*durable).await?.into_iter().filter(|kept| which.takes(kept)).collect();
    is_quiet(store, &kept, force)?;
    let states = StoredStates::new(&*durable, &flow);
    if drop_states {
        states.remove().await.map_err(|error| Failure::because(&*error))?;
    } else if !keep_states && !states.is_empty().await.map_err(|error| Failure::because(&*error))? {
        return Err(Failure::usage(one_line(&format!(
            "functions of flow `{flow}` keep states, which have the rows up to its position; say --drop-states to begin without them, or --keep-states: then rows that are read again count again"
        ))));
    }
    if source.engine != "file" {
        return forget(&*durable, &kept, common, to, || {
            format!("source `{sname}`: {}", elsewhere(&source.engine, &source.group, &flow))
        })
        .await;
    }
    let mut parts: Vec<String> = kept.iter().map(|kept| kept.part.clone()).collect();
    if parts.is_empty() {
        parts.push(part.unwrap_or_else(|| source.key.clone()));
    }
    let mut new = Vec::new();
    for part in parts {
        let value = reset_position(Path::new(&part), to)
            .map_err(|error| Failure::usage(one_line(&format!("{part}: {error}"))))?;
        let mut position = StoredPosition::new(sname, &flow, part, value);
        position.kept = Some(SystemTime::now());
        new.push(position);
    }
    replace(&*durable, &kept, &new).await?;
    tell(common, new.len(), "set")
}

/// Of a source that keeps a form of its own, only nothing is known to be a position.
async fn forget(
    durable: &dyn Durable,
    kept: &[StoredPosition],
    common: &Common,
    to: ResetTo,
    why: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if kept.is_empty() || to != ResetTo::Start {
        return Err(Failure::usage(one_line(&why())));
    }
    replace(durable, kept, &[]).await?;
    tell(common, kept.len(), "forgotten")
}

pub(super) async fn rename(store: &Store, common: &Common, args: MoveArgs) -> Result<(), Failure> {
    let MoveArgs { which, to_flow, to_source, to_part, force } = args;
    if to_flow.is_none() && to_source.is_none() && to_part.is_none() {
        return Err(Failure::usage("say where to: --to-flow, --to-source or --to-part"));
    }
    let durable = store.alone().await?;
    let kept = all(&*durable).await?;
    let old: Vec<_> = kept.iter().filter(|kept| which.takes(kept)).cloned().collect();
    if old.is_empty() {
        return Err(Failure::no("there is no such position"));
    }
    is_quiet(store, &old, force)?;
    let mut new: Vec<StoredPosition> = Vec::new();
    for position in &old {
        let or = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
        let mut moved = position.clone();
        moved.flow = or(&to_flow, &position.flow);
        moved.source = or(&to_source, &position.source);
        moved.part = or(&to_part, &position.part);
        let is_taken = |other: &StoredPosition| {
            (&other.flow, &other.source, &other.part) == (&moved.flow, &moved.source, &moved.part)
        };
        if new.iter().any(is_taken) || kept.iter().any(|kept| is_taken(kept) && kept != position) {
            let StoredPosition { flow, source, part, .. } = &moved;
            let message =
                format!("there is a position of flow `{flow}`, source `{source}`, {part} already");
            return Err(Failure::no(one_line(&message)));
        }
        new.push(moved);
    }
    let renamed = renamed(&*durable, &old, &kept, to_flow.as_deref()).await?;
    replace(&*durable, &old, &new).await?;
    for flow in renamed {
        let removed = StoredStates::new(&*durable, &flow).remove().await;
        removed.map_err(|error| Failure::because(&*error))?;
    }
    tell(common, new.len(), "moved")
}

/// Copies the states of flows whose positions become another flow's. Returns the flows that have had
/// states.
async fn renamed(
    durable: &dyn Durable,
    old: &[StoredPosition],
    all: &[StoredPosition],
    to_flow: Option<&str>,
) -> Result<BTreeSet<String>, Failure> {
    let mut renamed = BTreeSet::new();
    let Some(to) = to_flow else { return Ok(renamed) };
    let flows: BTreeSet<&str> = old.iter().map(|position| position.flow.as_str()).collect();
    for flow in flows.into_iter().filter(|flow| *flow != to) {
        let states = StoredStates::new(durable, flow);
        if states.is_empty().await.map_err(|error| Failure::because(&*error))? {
            continue;
        }
        if all.iter().any(|position| position.flow == flow && !old.contains(position)) {
            return Err(Failure::no(one_line(&format!(
                "functions of flow `{flow}` keep states, which belong to all of its positions; move these together, without --source and --part"
            ))));
        }
        let copied = states.copy_to(to).await.map_err(|error| Failure::because(&*error))?;
        if copied.is_none() {
            return Err(Failure::no(one_line(&format!(
                "functions of flow `{to}` keep other states already"
            ))));
        }
        renamed.insert(flow.to_owned());
    }
    Ok(renamed)
}

pub(super) async fn copy(store: &Store, common: &Common, args: &CopyArgs) -> Result<(), Failure> {
    if args.from == args.to {
        return Err(Failure::usage("--from and --to name the same store"));
    }
    let (from, to) = (store.named(&args.from).await?, store.named(&args.to).await?);
    let carried = carry_over(&*from, &*to, args.replace).await;
    let carried = carried.map_err(|error| Failure::because(&*error))?;
    if carried.conflicts > 0 && !args.replace {
        let entries = carried.conflicts;
        return Err(Failure::no(one_line(&format!(
            "nothing was copied: `{}` has {entries} of the positions, states and rows otherwise; `--replace` writes over them",
            args.to
        ))));
    }
    if common.output == Output::Json {
        return terminal::print_json(&serde_json::json!({
            "positions": carried.positions,
            "states": carried.states,
            "quarantined": carried.quarantined,
            "discarded": carried.discarded,
            "waiting": carried.waiting,
        }));
    }
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    terminal::print(&format!(
        "{} and {} copied, {} of the quarantine, {} that were discarded, {} that wait\n",
        counted(count(carried.positions), "position"),
        counted(count(carried.states), "state"),
        rows(count(carried.quarantined)),
        rows(count(carried.discarded)),
        rows(count(carried.waiting))
    ))
}

/// # Errors
///
/// When a service may be running: a store that several can open does not say.
fn is_quiet(store: &Store, kept: &[StoredPosition], force: bool) -> Result<(), Failure> {
    let since = SystemTime::now().checked_sub(JUST_NOW).unwrap_or(UNIX_EPOCH);
    let is_new = |kept: &StoredPosition| kept.kept.is_some_and(|time| time > since);
    match kept.iter().find(|kept| is_new(kept)) {
        Some(_) if force || store.is_exclusive() => Ok(()),
        Some(kept) => Err(Failure::no(one_line(&format!(
            "a service may be running: the position of flow `{}` was kept {} ago; stop it, and say --force unless ten seconds have passed",
            kept.flow,
            moment::age(kept.kept.unwrap_or(UNIX_EPOCH))
        )))),
        None => Ok(()),
    }
}

async fn replace(
    durable: &dyn Durable,
    old: &[StoredPosition],
    new: &[StoredPosition],
) -> Result<(), Failure> {
    let replaced = StoredPosition::replace(durable, old, new).await;
    replaced.map_err(|error| Failure::because(&*error))
}

fn tell(common: &Common, positions: usize, what: &str) -> Result<(), Failure> {
    match common.output {
        Output::Json => terminal::print_json(&Changed { positions }),
        Output::Table => terminal::print(&format!("{} {what}\n", counted(positions, "position"))),
    }
}
