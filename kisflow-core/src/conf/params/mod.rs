//! [`RawParams`]: params as written in conf, and [`RawParam`], one of them.

mod asked;
mod redact;
mod secret;
mod typed;
mod value;

use std::{collections::BTreeMap, fmt, ops::Index};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

pub use self::redact::redact_secrets;
pub(crate) use self::secret::is_secret;
pub use self::typed::ParamError;
pub(super) use self::value::Kind;
pub use self::value::RawParam;

/// Params as written in conf, by name. `Debug` hides params with a secret name (`password`,
/// `token`, …).
///
/// ```
/// use kisflow_core::RawParams;
///
/// let mut params = RawParams::new();
/// params.insert("limit", 5);
/// params.insert("zip", "01234");
/// assert_eq!(params.get("zip").and_then(|zip| zip.as_str()), Some("01234"));
/// assert_eq!(params["limit"].as_u64(), Some(5));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct RawParams(BTreeMap<String, RawParam>);

impl RawParams {
    /// No params.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns one param.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawParam> {
        self.0.get(name)
    }

    /// Sets a param. Returns the former one with this name.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        value: impl Into<RawParam>,
    ) -> Option<RawParam> {
        self.0.insert(name.into(), value.into())
    }

    /// Removes and returns a param.
    pub fn remove(&mut self, name: &str) -> Option<RawParam> {
        self.0.remove(name)
    }

    /// Returns `true` if there is a param with this name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the number of params.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Returns names and values, sorted by name.
    pub fn iter(&self) -> std::collections::btree_map::Iter<'_, String, RawParam> {
        self.0.iter()
    }

    /// Reads the params as a type. A text field gets the text of the file, a number field the
    /// number. A number whose name ends in `_ms` may be written as a duration: `5s`, `1m30s`.
    ///
    /// # Errors
    ///
    /// When they do not fit; the error names the param.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ParamError> {
        typed::read_map(self)
    }

    /// Reads the params as a type. Returns the names that the type knows as well, if it says so.
    pub(crate) fn read_known<T: DeserializeOwned>(
        &self,
    ) -> (Result<T, ParamError>, &'static [&'static str]) {
        typed::read_known(self)
    }

    /// Reads one param as a type.
    pub(crate) fn read_one<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Option<Result<T, ParamError>> {
        self.get(name).map(|param| typed::read_one(name, param))
    }
}

/// Shows no secret.
impl fmt::Debug for RawParams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = formatter.debug_map();
        for (name, value) in &self.0 {
            match is_secret(name) {
                true => map.entry(name, &format_args!("(secret)")),
                false => map.entry(name, value),
            };
        }
        map.finish()
    }
}

impl Index<&str> for RawParams {
    type Output = RawParam;

    /// Returns the param with this name; an empty one if there is none.
    fn index(&self, name: &str) -> &RawParam {
        self.get(name).unwrap_or(RawParam::nothing())
    }
}

impl<'a> IntoIterator for &'a RawParams {
    type Item = (&'a String, &'a RawParam);
    type IntoIter = std::collections::btree_map::Iter<'a, String, RawParam>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for RawParams {
    type Item = (String, RawParam);
    type IntoIter = std::collections::btree_map::IntoIter<String, RawParam>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<N: Into<String>, P: Into<RawParam>> FromIterator<(N, P)> for RawParams {
    fn from_iter<I: IntoIterator<Item = (N, P)>>(params: I) -> Self {
        Self(params.into_iter().map(|(name, param)| (name.into(), param.into())).collect())
    }
}

impl Extend<(String, RawParam)> for RawParams {
    fn extend<I: IntoIterator<Item = (String, RawParam)>>(&mut self, params: I) {
        self.0.extend(params);
    }
}

impl Serialize for RawParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self)
    }
}
