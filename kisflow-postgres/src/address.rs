//! `addrs` of a connector: the URL of a database, as libpq reads it.

use std::fmt;

use kisflow_core::Secret;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::{error::PostgresError, params::PostgresParams};

const EXAMPLE: &str = "postgres://user@localhost:5432/database";

/// A database, and how to connect to it.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) config: Config,
    /// The servers and the database, for messages.
    pub(crate) place: Place,
}

/// The servers and the database, as messages name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(String);

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Address {
    /// Reads the URL; the params supply what it must not or need not say.
    pub(crate) fn read(
        addrs: &str,
        params: &PostgresParams,
        owner: &str,
    ) -> Result<Self, PostgresError> {
        params.check()?;
        if !(addrs.starts_with("postgres://") || addrs.starts_with("postgresql://")) {
            return Err(PostgresError::conf(format!(
                "`addrs` is no URL of a database; expected one such as `{EXAMPLE}`"
            )));
        }
        // Here TLS always means that the certificate is checked.
        let url = addrs.replace("sslmode=verify-full", "sslmode=require");
        // Other messages of the parser quote the URL, which may hold a password.
        let mut config: Config = url.parse().map_err(|error| {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            let why = why.filter(|why| why.starts_with("invalid value for")).unwrap_or_default();
            PostgresError::conf(format!(
                "`addrs` cannot be read as the URL of a database{}{why}; expected one such as `{EXAMPLE}`",
                if why.is_empty() { "" } else { ": " },
            ))
        })?;
        if config.get_password().is_some() {
            return Err(PostgresError::conf(
                "the URL of `addrs` holds a password; move it to an environment variable and name that in `password_env`",
            ));
        }
        if config.get_hosts().is_empty() {
            return Err(PostgresError::conf(format!(
                "`addrs` names no server; expected a URL such as `{EXAMPLE}`"
            )));
        }
        check_tls(&mut config, params)?;
        let (written, variable) = (params.password.as_ref(), params.password_env.as_deref());
        let password = Secret::find("password", written, variable).map_err(PostgresError::conf)?;
        if let Some(password) = password {
            config.password(password.reveal());
        }
        let name = params.application_name.clone();
        match (name, config.get_application_name()) {
            (Some(name), _) => drop(config.application_name(name)),
            (None, None) => drop(config.application_name(format!("kisflow:{owner}"))),
            (None, Some(_)) => {}
        }
        config.connect_timeout(params.connect_timeout);
        let place = place(&config);
        Ok(Self { config, place })
    }
}

fn check_tls(config: &mut Config, params: &PostgresParams) -> Result<(), PostgresError> {
    let is_on = config.get_ssl_mode() == SslMode::Require;
    if params.tls_ca.is_some() && !is_on {
        return Err(PostgresError::conf(
            "`tls_ca` is set, and TLS is off; add `sslmode=require` to the URL of `addrs`",
        ));
    }
    if cfg!(not(feature = "tls")) && is_on {
        return Err(PostgresError::conf(
            "`sslmode=require` needs the feature `tls` of the crate kisflow-postgres, which is switched off",
        ));
    }
    // `prefer`, the default, would fail with the self-signed certificate of Debian's servers.
    if !is_on {
        config.ssl_mode(SslMode::Disable);
    }
    Ok(())
}

fn place(config: &Config) -> Place {
    let ports = config.get_ports();
    let server = |(at, host): (usize, &Host)| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]:{port}"),
            Host::Tcp(host) => format!("{host}:{port}"),
            #[cfg(unix)]
            Host::Unix(directory) => format!("{}:{port}", directory.display()),
        }
    };
    let servers: Vec<String> = config.get_hosts().iter().enumerate().map(server).collect();
    let database = config.get_dbname().or(config.get_user());
    Place(match database {
        Some(database) => format!("{}/{database}", servers.join(",")),
        None => servers.join(","),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(addrs: &str) -> Result<Address, PostgresError> {
        Address::read(addrs, &PostgresParams::default(), "store")
    }

    #[test]
    fn a_place_has_servers_and_a_database_and_no_user() {
        let check = |addrs: &str, expect: &str| {
            assert_eq!(read(addrs).unwrap().place.to_string(), expect);
        };
        check("postgres://me@db:5433/orders", "db:5433/orders");
        check("postgresql://me@db", "db:5432/me");
        check("postgres://me@a,b:6000/orders", "a:5432,b:6000/orders");
        check("postgres://me@[::1]:5432/orders?connect_timeout=3", "[::1]:5432/orders");
    }

    #[test]
    fn connections_have_the_name_of_their_connector() {
        let name = |addrs, params: &PostgresParams| {
            let address = Address::read(addrs, params, "store").unwrap();
            address.config.get_application_name().unwrap().to_owned()
        };
        let default = PostgresParams::default();
        assert_eq!(name("postgres://me@db", &default), "kisflow:store");
        assert_eq!(name("postgres://me@db?application_name=mine", &default), "mine");
        let named = PostgresParams { application_name: Some("own".to_owned()), ..default };
        assert_eq!(name("postgres://me@db?application_name=mine", &named), "own");
    }

    #[test]
    fn tls_is_used_if_the_url_requires_it() {
        let mode = |addrs| read(addrs).unwrap().config.get_ssl_mode();
        assert_eq!(mode("postgres://me@db"), SslMode::Disable);
        assert_eq!(mode("postgres://me@db?sslmode=prefer"), SslMode::Disable);
        let ca = PostgresParams { tls_ca: Some("ca.pem".to_owned()), ..PostgresParams::default() };
        let error = Address::read("postgres://me@db", &ca, "store").unwrap_err().to_string();
        assert!(error.starts_with("`tls_ca` is set, and TLS is off; add `sslmode=require`"));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_certificate_is_checked_in_full_or_not_asked_for() {
        let mode = |addrs| read(addrs).unwrap().config.get_ssl_mode();
        assert_eq!(mode("postgres://me@db?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://me@db?sslmode=verify-full"), SslMode::Require);
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_its_feature_is_refused() {
        let error = read("postgres://me@db?sslmode=require").unwrap_err().to_string();
        assert!(error.starts_with("`sslmode=require` needs the feature `tls`"), "{error}");
    }

    #[test]
    fn an_address_that_cannot_be_right_is_refused_without_its_password() {
        let check = |addrs: &str, expect: &str| {
            let error = read(addrs).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        };
        check(
            "localhost:5432",
            "`addrs` is no URL of a database; expected one such as `postgres://",
        );
        check("postgres://me:hunter2@db/orders", "the URL of `addrs` holds a password; move it");
        check("postgres:///orders", "`addrs` names no server");
        check(
            "postgres://me:hunter2@db:x/orders",
            "`addrs` cannot be read as the URL of a database",
        );
        check(
            "postgres://me@db?sslmode=maybe",
            "`addrs` cannot be read as the URL of a database: invalid value for option `sslmode`",
        );
    }
}
