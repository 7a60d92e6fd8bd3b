//! [`PostgresParams`]: `params` of a Postgres connector.

use std::{env::VarError, fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

use crate::error::PostgresError;

/// `params` of a Postgres connector; all of them may be left out.
///
/// ```
/// use kisflow_core::ConnConf;
///
/// let conf = ConnConf::new("store", "postgres")
///     .addrs("postgres://flows@db.internal:5432/orders")
///     .param("password_env", "STORE_PASSWORD")
///     .param("pool", 16);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PostgresParams {
    /// The password (default: none). `password_env` keeps it out of the conf.
    pub password: Option<Secret>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// The schema that holds kisflow's tables (default `kisflow`). It and its tables are created
    /// when they are first used, if they are missing.
    pub schema: String,
    /// The most connections, at least 1 (default 8). Each commit takes one while it runs.
    pub pool: usize,
    /// How long a connection may take to be made (default 5 s).
    #[serde(rename = "connect_timeout_ms", with = "kisflow_core::millis")]
    pub connect_timeout: Duration,
    /// How long a call may take, with the wait for a connection (default 10 s). After it the
    /// connection is closed.
    #[serde(rename = "command_timeout_ms", with = "kisflow_core::millis")]
    pub command_timeout: Duration,
    /// The name of the connections in `pg_stat_activity` (default `kisflow:` and the name of the
    /// connector).
    pub application_name: Option<String>,
    /// A PEM file with certificates of further authorities to trust.
    pub tls_ca: Option<String>,
}

impl PostgresParams {
    /// The params without a password whose variable is not set.
    pub(crate) fn without_unset(&self) -> Self {
        let mut params = self.clone();
        let variable = params.password_env.as_deref();
        if params.password.is_none()
            && variable.is_some_and(|variable| std::env::var_os(variable).is_none())
        {
            params.password_env = None;
        }
        params
    }

    pub(crate) fn check(&self) -> Result<(), PostgresError> {
        if self.pool == 0 {
            return Err(PostgresError::conf("`pool` is 0; at least 1 connection is needed"));
        }
        for (name, value) in [
            ("connect_timeout_ms", self.connect_timeout),
            ("command_timeout_ms", self.command_timeout),
        ] {
            if value.is_zero() {
                return Err(PostgresError::conf(format!(
                    "`{name}` is 0; at least 1 millisecond is needed"
                )));
            }
        }
        // Postgres cuts longer names off.
        if self.schema.is_empty() || self.schema.len() > 63 || self.schema.contains('\0') {
            return Err(PostgresError::conf("`schema` is not a name of 1 to 63 bytes"));
        }
        Ok(())
    }

    /// The password that `password` holds or that `password_env` names; both at once is a mistake.
    pub(crate) fn password(
        &self,
        lookup: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Option<String>, PostgresError> {
        let variable = match (&self.password, self.password_env.as_deref()) {
            (Some(_), Some(_)) => {
                return Err(PostgresError::conf(
                    "both `password` and `password_env` are set; drop one, best `password`",
                ));
            }
            (Some(secret), None) => return Ok(Some(secret.reveal().to_owned())),
            (None, None) => return Ok(None),
            (None, Some(variable)) => variable,
        };
        // `VarError` itself would print the value.
        let why = match lookup(variable) {
            Ok(password) if !password.is_empty() => return Ok(Some(password)),
            Ok(_) => "empty",
            Err(VarError::NotPresent) => "not set",
            Err(VarError::NotUnicode(_)) => "not UTF-8",
        };
        Err(PostgresError::conf(format!(
            "the environment variable `{variable}` of `password_env` is {why}"
        )))
    }
}

impl Default for PostgresParams {
    fn default() -> Self {
        Self {
            password: None,
            password_env: None,
            schema: "kisflow".to_owned(),
            pool: 8,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(10),
            application_name: None,
            tls_ca: None,
        }
    }
}

/// A text that is never printed.
///
/// ```
/// use kisflow_postgres::Secret;
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

    fn params(password: Option<&str>, variable: Option<&str>) -> PostgresParams {
        PostgresParams {
            password: password.map(Secret::from),
            password_env: variable.map(str::to_owned),
            ..PostgresParams::default()
        }
    }

    #[test]
    fn a_password_comes_from_the_conf_or_from_the_environment() {
        let read = |password, variable| params(password, variable).password(environment).unwrap();
        assert_eq!(read(None, None), None);
        assert_eq!(read(Some("written"), None).as_deref(), Some("written"));
        assert_eq!(read(None, Some("SET")).as_deref(), Some("hunter2"));
    }

    #[test]
    fn a_missing_password_is_explained_and_never_shown() {
        let check = |password, variable, expect: &str| {
            let error = params(password, variable).password(environment).unwrap_err();
            assert_eq!(error.to_string(), expect);
        };
        let both = "both `password` and `password_env` are set; drop one, best `password`";
        check(Some("hunter2"), Some("SET"), both);
        for (variable, why) in [("GONE", "not set"), ("EMPTY", "empty"), ("BYTES", "not UTF-8")] {
            let expect =
                format!("the environment variable `{variable}` of `password_env` is {why}");
            check(None, Some(variable), &expect);
        }
        assert!(!format!("{:?}", params(Some("hunter2"), None)).contains("hunter2"));
    }

    #[test]
    fn params_out_of_range_are_refused() {
        let check = |change: fn(&mut PostgresParams), expect: &str| {
            let mut params = PostgresParams::default();
            change(&mut params);
            assert_eq!(params.check().unwrap_err().to_string(), expect);
        };
        assert!(PostgresParams::default().check().is_ok());
        check(|params| params.pool = 0, "`pool` is 0; at least 1 connection is needed");
        check(
            |params| params.command_timeout = Duration::ZERO,
            "`command_timeout_ms` is 0; at least 1 millisecond is needed",
        );
        check(|params| params.schema = String::new(), "`schema` is not a name of 1 to 63 bytes");
    }
}
