//! `positions list` and `positions show`.

use std::{fs, io::Read, time::SystemTime};

use indicatif::HumanCount;
use kisflow_core::{Conf, StoredPosition};
use serde::Serialize;

use super::{args::Which, store::Store};
use crate::{
    args::{Common, Output},
    failure::Failure,
    moment,
    table::{self, Column},
    terminal,
    text::{harmless, one_line},
};

/// Where a source stands: what `--output json` prints of each.
#[derive(Serialize)]
struct Stand {
    flow: String,
    source: String,
    /// Of the source; nothing where the conf does not have it.
    #[serde(rename = "type")]
    engine: Option<String>,
    /// The path of a file; nothing where no position is kept.
    part: Option<String>,
    offset: Option<u64>,
    /// Bytes that are still to be read, where that is known.
    behind: Option<u64>,
    #[serde(rename = "kept_ms", serialize_with = "moment::serialize")]
    kept: Option<SystemTime>,
    /// What the source has kept.
    value: Option<String>,
    /// What there is to say where no position is kept, or nobody reads on behind it.
    note: Option<String>,
}

pub(super) async fn list(store: &Store, common: &Common, which: &Which) -> Result<(), Failure> {
    let stands = stands(&store.conf, &store.look().await?, which);
    if common.output == Output::Json {
        return terminal::print_json(&stands);
    }
    let columns = [
        Column::Whole("FLOW"),
        Column::Whole("SOURCE"),
        Column::Whole("PART"),
        Column::Number("OFFSET"),
        Column::Number("BEHIND"),
        Column::Number("KEPT"),
        Column::Text("NOTE"),
    ];
    let count =
        |count: Option<u64>| count.map_or("-".to_owned(), |count| HumanCount(count).to_string());
    let lines = stands.iter().map(|stand| {
        let Stand { flow, source, part, offset, behind, kept, note, .. } = stand;
        vec![
            flow.clone(),
            source.clone(),
            part.clone().unwrap_or("-".to_owned()),
            count(*offset),
            count(*behind),
            kept.map_or("-".to_owned(), |time| moment::age(time) + " ago"),
            note.clone().unwrap_or_default(),
        ]
    });
    table::print(&columns, lines, "no flow has a source")
}

pub(super) async fn show(store: &Store, common: &Common, which: &Which) -> Result<(), Failure> {
    let stands = stands(&store.conf, &store.look().await?, which);
    if common.output == Output::Json {
        return terminal::print_json(&stands);
    }
    let described: Vec<String> = stands.iter().map(described).collect();
    if described.is_empty() {
        return Err(Failure::no("there is no such position"));
    }
    terminal::print(&described.join("\n"))
}

fn described(stand: &Stand) -> String {
    let of = |name: &str, value: Option<String>| {
        value.map(|value| format!("{name:<8} {}\n", one_line(&value))).unwrap_or_default()
    };
    let number = |number: Option<u64>| number.map(|number| HumanCount(number).to_string());
    let mut text = of("flow", Some(stand.flow.clone()));
    let engine = stand.engine.as_ref().map(|engine| format!(" ({engine})")).unwrap_or_default();
    text += &of("source", Some(format!("{}{engine}", stand.source)));
    text += &of("part", stand.part.clone());
    text += &of("offset", number(stand.offset));
    text += &of("behind", number(stand.behind).map(|bytes| format!("{bytes} bytes")));
    text += &of("kept", stand.kept.map(moment::utc));
    text += &of("note", stand.note.clone());
    if let Some(value) = &stand.value {
        text += &format!("value    {}\n", harmless(value));
    }
    text
}

/// Every position that is kept, and what there is to say of the flows that have none.
fn stands(conf: &Conf, kept: &[StoredPosition], which: &Which) -> Vec<Stand> {
    let mut stands: Vec<Stand> =
        kept.iter().filter(|position| which.takes(position)).map(|kept| of(conf, kept)).collect();
    for flow in conf.flows.values() {
        let Some(source) = flow.source.as_ref().and_then(|sname| conf.sources.get(sname)) else {
            continue;
        };
        let (flow, sname) = (&flow.flow_name, &source.sname);
        let is_kept = |kept: &StoredPosition| kept.flow == *flow && kept.source == *sname;
        let is_meant = which.takes(&StoredPosition::new(sname, flow, "", ""));
        if kept.iter().any(is_kept) || !is_meant {
            continue;
        }
        stands.push(Stand {
            flow: flow.clone(),
            source: sname.clone(),
            engine: Some(source.engine.clone()),
            part: None,
            offset: None,
            behind: None,
            kept: None,
            value: None,
            note: Some(elsewhere(&source.engine, &source.group, flow)),
        });
    }
    stands.sort_by(|one, other| (&one.flow, &one.part).cmp(&(&other.flow, &other.part)));
    stands
}

/// Where a source keeps its position that keeps none here.
pub(super) fn elsewhere(engine: &str, group: &str, flow: &str) -> String {
    let group = if group.is_empty() { flow } else { group };
    match engine {
        "redis_stream" => format!("kept by Redis, for the group `{group}` of the stream"),
        "nats" => format!("kept by JetStream, for the consumer `{group}`"),
        "http" | "stdin" => {
            "has none: what is not acknowledged comes again from who sent it".to_owned()
        }
        _ => "none is kept: it begins at `start` of its conf".to_owned(),
    }
}

fn of(conf: &Conf, kept: &StoredPosition) -> Stand {
    let source = conf.sources.get(&kept.source);
    let engine = source.map(|source| source.engine.clone());
    let offset = kept.offset();
    let reads =
        conf.flows.get(&kept.flow).is_some_and(|flow| flow.source.as_ref() == Some(&kept.source));
    let behind = offset.filter(|_| engine.as_deref() == Some("file"));
    Stand {
        flow: kept.flow.clone(),
        source: kept.source.clone(),
        part: Some(kept.part.clone()),
        offset,
        behind: behind.and_then(|offset| Some(length(&kept.part)?.saturating_sub(offset))),
        kept: kept.kept,
        value: Some(String::from_utf8_lossy(&kept.value).into_owned()),
        note: (!reads).then(|| "no flow of the conf goes on behind it".to_owned()),
        engine,
    }
}

/// How many bytes a file has; nothing where it is compressed, because its offsets are those of what is
/// in it.
fn length(path: &str) -> Option<u64> {
    let mut file = fs::File::open(path).ok()?;
    let mut magic = [0; 2];
    let is_gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    let found = file.metadata().ok()?;
    (found.is_file() && !is_gzip).then_some(found.len())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kisflow_core::{Conf, FlowConf, SourceConf, StoredPosition};

    use super::{Which, stands};

    #[test]
    fn every_source_stands_somewhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows").display().to_string();
        fs::write(&path, "0123456789").unwrap();
        let mut conf = Conf::new();
        for (name, engine) in [("rows", "file"), ("in", "redis_stream"), ("new", "file")] {
            conf = conf.source(SourceConf::new(name, engine));
        }
        for (flow, source) in [("Read", "rows"), ("Stream", "in"), ("New", "new")] {
            conf = conf.flow(FlowConf::new(flow).source(source));
        }
        let kept = || {
            vec![
                StoredPosition::new("rows", "Read", &path, r#"{"offset":4}"#),
                StoredPosition::new("rows", "Gone", "no/such", "raw"),
            ]
        };
        let all = Which { flow: None, source: None, part: None };
        let shown = |which: &Which| {
            let stands = stands(&conf, &kept(), which);
            let line = |stand: &super::Stand| {
                let note = stand.note.as_deref().unwrap_or_default();
                format!("{} {:?} {:?} {note}", stand.flow, stand.offset, stand.behind)
            };
            stands.iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(
            shown(&all),
            [
                "Gone None None no flow of the conf goes on behind it",
                "New None None none is kept: it begins at `start` of its conf",
                "Read Some(4) Some(6) ",
                "Stream None None kept by Redis, for the group `Stream` of the stream",
            ]
        );
        assert_eq!(shown(&Which { flow: Some("Read".into()), ..all }), ["Read Some(4) Some(6) "]);
    }
}
