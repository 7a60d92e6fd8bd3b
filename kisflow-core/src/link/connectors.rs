//! [`Connectors`]: the connectors of one function.

use std::{collections::BTreeMap, sync::Arc};

use crate::connector::ConnectorSlot;

/// The names of a function's connectors.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectorNames {
    /// The one that every parameter takes.
    pub(crate) one: Option<String>,
    /// Those that parameters take by their names.
    pub(crate) named: BTreeMap<String, String>,
}

impl ConnectorNames {
    pub(crate) fn one(cname: &str) -> Self {
        Self { one: Some(cname.to_owned()), named: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.one.is_none() && self.named.is_empty()
    }

    /// Each once.
    pub(crate) fn distinct(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.one.iter().chain(self.named.values()).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The connectors of a function.
#[derive(Default)]
pub(crate) struct Connectors {
    one: Option<Arc<ConnectorSlot>>,
    named: BTreeMap<String, Arc<ConnectorSlot>>,
}

/// Why a parameter has no connector.
pub(crate) enum NoConnector {
    /// The conf names none.
    None,
    /// The conf names several, and none for this parameter.
    NotNamed(String),
    /// The conf names several, and whoever asks has no name.
    Nameless,
}

impl Connectors {
    /// `None` if one of them is not there, which has been reported.
    pub(crate) fn new<'s>(
        names: &ConnectorNames,
        slot: impl Fn(&str) -> Option<&'s Arc<ConnectorSlot>>,
    ) -> Option<Self> {
        let one = match &names.one {
            Some(cname) => Some(slot(cname)?.clone()),
            None => None,
        };
        let named = names.named.iter();
        let named = named.map(|(name, cname)| Some((name.clone(), slot(cname)?.clone())));
        Some(Self { one, named: named.collect::<Option<_>>()? })
    }

    /// The connector of a parameter. A name in conf stands for `_name` in code as well.
    pub(crate) fn of(&self, parameter: Option<&str>) -> Result<Arc<ConnectorSlot>, NoConnector> {
        if let Some(one) = &self.one {
            return Ok(one.clone());
        }
        if self.named.is_empty() {
            return Err(NoConnector::None);
        }
        let parameter = parameter.ok_or(NoConnector::Nameless)?.trim_start_matches('_');
        let found = self.named.get(parameter).cloned();
        found.ok_or_else(|| NoConnector::NotNamed(parameter.to_owned()))
    }

    /// The names of the map; empty where one connector serves all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// Each once.
    pub(crate) fn distinct(&self) -> Vec<Arc<ConnectorSlot>> {
        let mut slots: Vec<Arc<ConnectorSlot>> = Vec::new();
        for slot in self.one.iter().chain(self.named.values()) {
            if !slots.iter().any(|known| Arc::ptr_eq(known, slot)) {
                slots.push(slot.clone());
            }
        }
        slots
    }
}
