//! Every type of source and connector, with its params.

use std::fmt::Debug;

pub(crate) use kisflow_core::UNATTENDED_PARAMS;
use kisflow_core::{Connector, Memory, Source};
use kisflow_file::{File, Stdin};
use kisflow_http::Http;
use kisflow_nats::Nats;
use kisflow_postgres::Postgres;
use kisflow_redb::Redb;
use kisflow_redis::{Redis, RedisStream};

use crate::{names, param::Param, path, written};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connector,
    Source,
}

/// A word after `type:`, and its params.
pub(crate) struct Described {
    pub(crate) kind: Kind,
    pub(crate) word: String,
    /// The names that the type reads.
    pub(crate) read: Vec<&'static str>,
    /// What is written down.
    pub(crate) params: Vec<Param>,
    /// The params of an empty map, as `{:#?}` shows them.
    defaults: String,
}

/// All of them, in the order of the page.
pub(crate) fn all() -> Vec<Described> {
    vec![
        source::<File>("kisflow-file"),
        source::<Stdin>("kisflow-file"),
        source::<Http>("kisflow-http"),
        source::<RedisStream>("kisflow-redis"),
        source::<Nats>("kisflow-nats"),
        connector::<Memory>("kisflow-core"),
        connector::<Redb>("kisflow-redb"),
        connector::<Redis>("kisflow-redis"),
        connector::<Postgres>("kisflow-postgres"),
    ]
}

fn source<S: Source<Params: Debug>>(home: &str) -> Described {
    described::<S::Params>(Kind::Source, S::TYPE, home)
}

fn connector<C: Connector<Params: Debug>>(home: &str) -> Described {
    described::<C::Params>(Kind::Connector, C::TYPE, home)
}

fn described<P: serde::de::DeserializeOwned + Debug>(
    kind: Kind,
    word: &str,
    home: &str,
) -> Described {
    let (name, read) = names::of::<P>();
    let params = written::fields(&path(home), name);
    let empty: P = serde_json::from_str("{}").unwrap();
    Described {
        kind,
        word: word.to_owned(),
        read: read.to_vec(),
        params: params.into_iter().map(|field| Param::new(&path(home), field)).collect(),
        defaults: format!("{empty:#?}"),
    }
}

impl Described {
    /// The value of a param that is left out, as `{:?}` shows it, if it fits into a line.
    pub(crate) fn default_of(&self, name: &str) -> Option<String> {
        let start = format!("    {name}: ");
        let value = self.defaults.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(value.trim_end_matches(',').to_owned())
    }
}
