//! [`Connectors`]: the connectors of one function.

use std::{collections::BTreeMap, sync::Arc};

use super::Link;
use crate::{conf::suggest, connector::ConnectorSlot};

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
    /// The conf names several, and the parameter has no name.
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

impl Link<'_> {
    /// Binds what follows as the parameter of this name, which is what `option.cname` may choose its
    /// connector by. `#[faas]` does so for each parameter.
    pub fn for_parameter(&mut self, name: &str) {
        self.parameter = (!name.is_empty()).then(|| name.to_owned());
    }

    /// The connector of the parameter that is bound now; `None` after reporting that the conf names
    /// none.
    pub(crate) fn connector(&mut self) -> Option<Arc<ConnectorSlot>> {
        if let Some(slot) = &self.of_caas {
            return Some(slot.clone());
        }
        if let Some(name) = &self.parameter {
            self.taken.insert(name.trim_start_matches('_').to_owned());
        }
        let message = match self.connectors.of(self.parameter.as_deref()) {
            Ok(slot) => return Some(slot),
            Err(NoConnector::None) => {
                "it wants a connector, and its conf names none; set `option.cname`".to_owned()
            }
            Err(NoConnector::NotNamed(name)) => format!(
                "its parameter `{name}` wants a connector, and the map `option.cname` has no `{name}`{}",
                suggest(&name, self.connectors.names())
            ),
            Err(NoConnector::Nameless) => {
                let names: Vec<&str> = self.connectors.names().collect();
                format!(
                    "it wants one connector, and `option.cname` is a map that gives parameters theirs by name ({}); name one connector, or take it as a parameter with a name",
                    names.join(", ")
                )
            }
        };
        self.cname_problem(message);
        None
    }

    /// Reports each name of the map `option.cname` that no parameter took, where all of the function
    /// was bound.
    pub(crate) fn left_over(&mut self) {
        let over: Vec<String> = self
            .connectors
            .names()
            .filter(|name| !self.taken.contains(*name))
            .map(str::to_owned)
            .collect();
        for name in over {
            let hint = suggest(&name, self.taken.iter().map(String::as_str));
            self.cname_problem(format!(
                "the map `option.cname` names `{name}`, and no parameter of the function takes it{hint}"
            ));
        }
    }

    /// Who wants a connector, for messages: the function, or its parameter by name where its
    /// connectors are chosen by that.
    pub(crate) fn asking(&self) -> String {
        match (&self.parameter, self.of_caas.is_none() && self.connectors.names().next().is_some())
        {
            (Some(name), true) => format!("its parameter `{name}`"),
            _ => "the function".to_owned(),
        }
    }

    /// How to give parameters connectors of their own, where one serves all of them.
    pub(crate) fn how_to_give_several(&self) -> String {
        match (&self.parameter, self.of_caas.is_none() && self.connectors.names().next().is_none())
        {
            (Some(name), true) => format!(
                "; a function with several connectors names them by parameter: `cname: {{{name}: …}}`"
            ),
            _ => String::new(),
        }
    }

    /// Reports a problem with `option.cname`, at its line.
    pub(crate) fn cname_problem(&mut self, message: impl Into<String>) {
        if self.connectors.names().next().is_none() {
            return self.problem(message);
        }
        let message = format!("function `{}`: {}", self.function.fname, message.into());
        self.problems.push(self.function.origin.problem(
            format!("function `{}`", self.function.fname),
            "option.cname",
            message,
        ));
    }
}
