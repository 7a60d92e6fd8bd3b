//! [`PostgresParams`]: `params` of a Postgres connector.

use std::time::Duration;

use kisflow_core::Secret;
use serde::Deserialize;

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

#[cfg(test)]
mod tests {
    use super::*;

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
