//! [`RedisParams`]: `params` of a Redis connector.

use std::{env::VarError, fmt, time::Duration};

use kisflow_core::Address;
use serde::{Deserialize, Deserializer, de};

use crate::{config::mode, error::RedisError};

/// `params` of a Redis connector; all of them may be left out.
///
/// ```
/// use kisflow_core::ConnConf;
///
/// let conf = ConnConf::new("scores", "redis")
///     .addrs("10.0.0.1:7000, 10.0.0.2:7000")
///     .key("stu_")
///     .param("password_env", "SCORES_PASSWORD")
///     .param("command_timeout_ms", 2_000);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RedisParams {
    /// What stands at the addresses: `single`, `cluster` or `sentinel` (default: `single` for one
    /// address, `cluster` for several).
    pub mode: Option<RedisMode>,
    /// The name that the sentinels know the master by; required with `mode: sentinel`.
    pub service: Option<String>,
    /// The user of Redis' access control (default: Redis' own default user).
    pub username: Option<String>,
    /// The password (default: none). `password_env` keeps it out of the conf.
    pub password: Option<Secret>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// The user that the sentinels want, if they want one.
    pub sentinel_username: Option<String>,
    /// The password that the sentinels want, if they want one.
    pub sentinel_password: Option<Secret>,
    /// The environment variable that holds the sentinels' password.
    pub sentinel_password_env: Option<String>,
    /// The database, from 0 (default 0). A cluster has no other.
    pub database: u8,
    /// Connections to each server, at least 1 (default 2). One carries any number of concurrent
    /// batches; more than one lets them be encoded and decoded on several cores.
    pub pool: usize,
    /// How long connecting may take at the start, until it is an error; and each later attempt
    /// (default 5 s).
    #[serde(rename = "connect_timeout_ms", with = "kisflow_core::millis")]
    pub connect_timeout: Duration,
    /// How long the answer to a batch may take, and in an outage how long a batch waits for the
    /// connection to come back (default 5 s). A connection that answers nothing for
    /// so long is closed and made again.
    #[serde(rename = "command_timeout_ms", with = "kisflow_core::millis")]
    pub command_timeout: Duration,
    /// The pause before the first attempt to reconnect (default 50 ms); it doubles each
    /// time.
    #[serde(rename = "reconnect_ms", with = "kisflow_core::millis")]
    pub reconnect: Duration,
    /// The longest pause between two attempts to reconnect (default 5 s).
    #[serde(rename = "reconnect_max_ms", with = "kisflow_core::millis")]
    pub reconnect_max: Duration,
    /// How many attempts to reconnect fail in a row until the connector gives up; 0 is never
    /// (default 0).
    pub reconnect_attempts: u32,
    /// How long a record lives after it was last written (default: forever).
    #[serde(rename = "ttl_ms", with = "kisflow_core::millis::option")]
    pub ttl: Option<Duration>,
    /// Whether to speak TLS (default false). The servers' certificates must be signed by an
    /// authority that this machine trusts, or by that of `tls_ca`, for the host of `addrs`.
    pub tls: bool,
    /// A PEM file with certificates of further authorities to trust.
    pub tls_ca: Option<String>,
}

impl RedisParams {
    /// The params without passwords whose variables are not set.
    pub(crate) fn without_unset(&self, addresses: &[Address]) -> Self {
        let mut params = self.clone();
        let is_unset = |variable: &Option<String>| {
            variable.as_deref().is_some_and(|variable| std::env::var_os(variable).is_none())
        };
        if params.password.is_none() && is_unset(&params.password_env) {
            params.password_env = None;
        }
        if mode(addresses, &params) == RedisMode::Sentinel
            && params.sentinel_password.is_none()
            && is_unset(&params.sentinel_password_env)
        {
            params.sentinel_password_env = None;
        }
        params
    }
}

impl Default for RedisParams {
    fn default() -> Self {
        Self {
            mode: None,
            service: None,
            username: None,
            password: None,
            password_env: None,
            sentinel_username: None,
            sentinel_password: None,
            sentinel_password_env: None,
            database: 0,
            pool: 2,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
            reconnect: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(5),
            reconnect_attempts: 0,
            ttl: None,
            tls: false,
            tls_ca: None,
        }
    }
}

/// What stands at the addresses of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RedisMode {
    /// One server.
    Single,
    /// Nodes of a cluster; one is enough to find the others.
    Cluster,
    /// Sentinels, which say where the master is.
    Sentinel,
}

/// A text that is never printed.
///
/// ```
/// use kisflow_redis::Secret;
///
/// assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Written out because serde's own messages quote the value that they refuse.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        macro_rules! refuse {
            ($($method:ident($type:ty),)*) => {
                $(fn $method<E: de::Error>(self, _: $type) -> Result<Secret, E> {
                    Err(E::custom("a password is a text; write it in quotes"))
                })*
            };
        }

        impl de::Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a password as a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::from(text))
            }

            refuse! { visit_bool(bool), visit_i64(i64), visit_i128(i128), visit_u64(u64), visit_u128(u128), visit_f64(f64), }
        }

        deserializer.deserialize_string(Text)
    }
}

/// The password that `param` holds or that `param_env` names; both at once is a mistake.
pub(crate) fn password(
    param: &str,
    written: Option<&Secret>,
    variable: Option<&str>,
    lookup: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Option<String>, RedisError> {
    match (written, variable) {
        (Some(_), Some(_)) => Err(RedisError::conf(format!(
            "both `{param}` and `{param}_env` are set; drop one, best `{param}`"
        ))),
        (Some(secret), None) => Ok(Some(secret.reveal().to_owned())),
        (None, None) => Ok(None),
        (None, Some(variable)) => match lookup(variable) {
            Ok(password) if password.is_empty() => Err(RedisError::conf(format!(
                "the environment variable `{variable}` of `{param}_env` is empty"
            ))),
            Ok(password) => Ok(Some(password)),
            Err(VarError::NotPresent) => Err(RedisError::conf(format!(
                "the environment variable `{variable}` of `{param}_env` is not set"
            ))),
            // `VarError` itself would print the value.
            Err(VarError::NotUnicode(_)) => Err(RedisError::conf(format!(
                "the environment variable `{variable}` of `{param}_env` is not UTF-8"
            ))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Result<String, VarError> {
        match name {
            "SET" => Ok("hunter2".to_owned()),
            "EMPTY" => Ok(String::new()),
            "BYTES" => Err(VarError::NotUnicode("hunter2".into())),
            _ => Err(VarError::NotPresent),
        }
    }

    #[test]
    fn a_password_comes_from_the_conf_or_from_the_environment() {
        let secret = Secret::from("written");
        let read = |written, variable| password("password", written, variable, environment);
        assert_eq!(read(None, None).unwrap(), None);
        assert_eq!(read(Some(&secret), None).unwrap().as_deref(), Some("written"));
        assert_eq!(read(None, Some("SET")).unwrap().as_deref(), Some("hunter2"));
    }

    #[test]
    fn a_password_that_cannot_be_had_is_explained_and_never_shown() {
        let secret = Secret::from("hunter2");
        let wrong = |written, variable| {
            password("password", written, variable, environment).unwrap_err().to_string()
        };
        let both = wrong(Some(&secret), Some("SET"));
        assert_eq!(both, "both `password` and `password_env` are set; drop one, best `password`");
        assert_eq!(
            wrong(None, Some("GONE")),
            "the environment variable `GONE` of `password_env` is not set"
        );
        assert_eq!(
            wrong(None, Some("EMPTY")),
            "the environment variable `EMPTY` of `password_env` is empty"
        );
        assert_eq!(
            wrong(None, Some("BYTES")),
            "the environment variable `BYTES` of `password_env` is not UTF-8"
        );
        assert!(
            !format!("{:?}", RedisParams { password: Some(secret), ..RedisParams::default() })
                .contains("hunter2")
        );
    }

    #[test]
    fn a_password_that_is_a_number_is_refused_without_being_quoted() {
        use serde::de::{IntoDeserializer, value::Error};
        let read =
            |number: u64| Secret::deserialize(IntoDeserializer::<Error>::into_deserializer(number));
        assert_eq!(
            read(123_456).unwrap_err().to_string(),
            "a password is a text; write it in quotes"
        );
    }
}
