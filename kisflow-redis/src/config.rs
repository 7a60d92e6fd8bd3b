//! What fred is told: the conf of a connector in fred's own types.

use std::time::Duration;

use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig,
    UnresponsiveConfig,
};

use kisflow_core::{Address, Secret};

use crate::{
    error::RedisError,
    params::{RedisMode, RedisParams},
};

/// All that a pool of connections is made of.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) performance: PerformanceConfig,
    pub(crate) connection: ConnectionConfig,
    pub(crate) reconnect: ReconnectPolicy,
}

impl Settings {
    /// Checks the params against each other and against the addresses.
    pub(crate) fn new(addresses: &[Address], params: &RedisParams) -> Result<Self, RedisError> {
        check(params)?;
        let config = Config {
            // The first connection is an error at once; only later ones are tried again.
            fail_fast: true,
            username: params.username.clone(),
            password: password(
                "password",
                params.password.as_ref(),
                params.password_env.as_deref(),
            )?,
            server: server(addresses, params)?,
            database: (params.database > 0).then_some(params.database),
            #[cfg(feature = "tls")]
            tls: tls(addresses, params)?,
            ..Config::default()
        };
        let command_timeout = params.command_timeout;
        let performance = PerformanceConfig {
            default_command_timeout: command_timeout,
            ..PerformanceConfig::default()
        };
        // fred tries the addresses one after the other: a dead one must not use up the time.
        let share = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let each = (params.connect_timeout / share).max(Duration::from_millis(1));
        let connection = ConnectionConfig {
            connection_timeout: each,
            internal_command_timeout: each,
            // What was sent is never sent again behind the caller's back: whether to repeat it is for
            // the function's `retry_times` to say.
            max_command_attempts: 1,
            reconnect_on_auth_error: true,
            unresponsive: UnresponsiveConfig {
                max_timeout: Some(command_timeout),
                interval: (command_timeout / 4)
                    .clamp(Duration::from_millis(10), Duration::from_secs(1)),
            },
            ..ConnectionConfig::default()
        };
        let pause = millis(params.reconnect).max(1);
        let longest = millis(params.reconnect_max).max(pause);
        let mut reconnect =
            ReconnectPolicy::new_exponential(params.reconnect_attempts, pause, longest, 2);
        reconnect.set_jitter(pause);
        Ok(Self { config, performance, connection, reconnect })
    }
}

/// As fred counts pauses.
fn millis(pause: Duration) -> u32 {
    u32::try_from(pause.as_millis()).unwrap_or(u32::MAX)
}

/// What stands at the addresses.
pub(crate) fn mode(addresses: &[Address], params: &RedisParams) -> RedisMode {
    params.mode.unwrap_or(if addresses.len() == 1 { RedisMode::Single } else { RedisMode::Cluster })
}

fn check(params: &RedisParams) -> Result<(), RedisError> {
    if params.pool == 0 {
        return Err(RedisError::conf("`pool` is 0; at least 1 connection is needed"));
    }
    for (name, value) in [
        ("connect_timeout_ms", params.connect_timeout),
        ("command_timeout_ms", params.command_timeout),
    ] {
        if value.is_zero() {
            return Err(RedisError::conf(format!(
                "`{name}` is 0; at least 1 millisecond is needed"
            )));
        }
    }
    if params.ttl == Some(Duration::ZERO) {
        return Err(RedisError::conf("`ttl_ms` is 0; leave it out for records that live forever"));
    }
    if params.tls_ca.is_some() && !params.tls {
        return Err(RedisError::conf("`tls_ca` is set, and TLS is off; set `tls: true`"));
    }
    #[cfg(not(feature = "tls"))]
    if params.tls {
        return Err(RedisError::conf(
            "`tls: true` needs the feature `tls` of the crate kisflow-redis, which is switched off",
        ));
    }
    Ok(())
}

fn server(addresses: &[Address], params: &RedisParams) -> Result<ServerConfig, RedisError> {
    let mode = mode(addresses, params);
    if mode != RedisMode::Sentinel {
        let only = [
            ("service", params.service.is_some()),
            ("sentinel_username", params.sentinel_username.is_some()),
            ("sentinel_password", params.sentinel_password.is_some()),
            ("sentinel_password_env", params.sentinel_password_env.is_some()),
        ];
        if let Some((name, _)) = only.iter().find(|(_, given)| *given) {
            return Err(RedisError::conf(format!("`{name}` is for `mode: sentinel` only")));
        }
    }
    let hosts = || {
        addresses.iter().map(|address| Server::new(address.host.clone(), address.port)).collect()
    };
    match (mode, addresses) {
        (RedisMode::Single, [address]) => Ok(ServerConfig::new_centralized(address.host.clone(), address.port)),
        (RedisMode::Single, _) => {
            Err(RedisError::conf(format!("`mode: single` has one address, and `addrs` lists {}", addresses.len())))
        }
        (RedisMode::Cluster, _) if params.database > 0 => {
            Err(RedisError::conf(format!("a cluster has database 0 only, and `database` is {}", params.database)))
        }
        (RedisMode::Cluster, _) => Ok(ServerConfig::Clustered { hosts: hosts(), policy: Default::default() }),
        (RedisMode::Sentinel, _) => Ok(ServerConfig::Sentinel {
            hosts: hosts(),
            service_name: params.service.clone().ok_or_else(|| {
                RedisError::conf("`service` is required with `mode: sentinel`: the name that the sentinels know the master by")
            })?,
            username: params.sentinel_username.clone(),
            password: password("sentinel_password", params.sentinel_password.as_ref(), params.sentinel_password_env.as_deref())?,
        }),
    }
}

fn password(
    param: &str,
    written: Option<&Secret>,
    variable: Option<&str>,
) -> Result<Option<String>, RedisError> {
    let secret = Secret::find(param, written, variable).map_err(RedisError::conf)?;
    Ok(secret.map(|secret| secret.reveal().to_owned()))
}

#[cfg(feature = "tls")]
fn tls(
    addresses: &[Address],
    params: &RedisParams,
) -> Result<Option<fred::types::config::TlsConfig>, RedisError> {
    let by_name = addresses.iter().all(|address| address.host.parse::<std::net::IpAddr>().is_err());
    params.tls.then(|| crate::tls::config(params.tls_ca.as_deref(), by_name)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::addresses;

    fn check(addrs: &str, change: impl FnOnce(&mut RedisParams), expect: &str) {
        let mut params = RedisParams::default();
        change(&mut params);
        let error =
            Settings::new(&addresses(addrs).unwrap(), &params).err().map(|error| error.to_string());
        assert_eq!(error.as_deref().unwrap_or("fine"), expect);
    }

    #[test]
    fn one_address_is_a_server_and_several_are_a_cluster() {
        let server = |addrs| {
            Settings::new(&addresses(addrs).unwrap(), &RedisParams::default())
                .unwrap()
                .config
                .server
        };
        assert!(server("a:1").is_centralized());
        assert!(server("a:1,b:2").is_clustered());
    }

    #[test]
    fn params_that_contradict_each_other_are_refused() {
        use RedisMode::{Cluster, Sentinel, Single};
        check("a:1", |_| {}, "fine");
        check("a:1", |p| p.pool = 0, "`pool` is 0; at least 1 connection is needed");
        check(
            "a:1",
            |p| p.command_timeout = Duration::ZERO,
            "`command_timeout_ms` is 0; at least 1 millisecond is needed",
        );
        check(
            "a:1",
            |p| p.ttl = Some(Duration::ZERO),
            "`ttl_ms` is 0; leave it out for records that live forever",
        );
        check(
            "a:1",
            |p| p.tls_ca = Some("ca.pem".into()),
            "`tls_ca` is set, and TLS is off; set `tls: true`",
        );
        check(
            "a:1,b:1",
            |p| p.mode = Some(Single),
            "`mode: single` has one address, and `addrs` lists 2",
        );
        check("a:1,b:1", |p| p.database = 3, "a cluster has database 0 only, and `database` is 3");
        check("a:1", |p| p.service = Some("s".into()), "`service` is for `mode: sentinel` only");
        check(
            "a:1",
            |p| (p.mode, p.service) = (Some(Cluster), Some("s".into())),
            "`service` is for `mode: sentinel` only",
        );
        check(
            "a:1",
            |p| p.mode = Some(Sentinel),
            "`service` is required with `mode: sentinel`: the name that the sentinels know the master by",
        );
        check("a:1", |p| (p.mode, p.service) = (Some(Sentinel), Some("s".into())), "fine");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_ca_file_that_is_missing_is_named() {
        let mut params = RedisParams { tls: true, ..RedisParams::default() };
        params.tls_ca = Some("no/such.pem".into());
        let error = Settings::new(&addresses("a:1").unwrap(), &params).err().unwrap().to_string();
        assert!(error.starts_with("`tls_ca: no/such.pem` cannot be read: "), "{error}");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_its_feature_is_refused() {
        let needs =
            "`tls: true` needs the feature `tls` of the crate kisflow-redis, which is switched off";
        check("a:1", |p| p.tls = true, needs);
    }
}
