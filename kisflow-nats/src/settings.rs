//! [`Settings`]: what a conf comes to, checked before anybody is asked.

use std::{fs, time::Duration};

use async_nats::{ConnectOptions, ServerAddr};
use kisflow_core::{Address, Secret, SourceConf, error_chain};

use crate::{
    address::addresses,
    error::NatsError,
    name::{Begin, begin, consumer_of, name, subject},
    params::NatsParams,
    tls,
};

/// What a conf comes to.
pub(crate) struct Settings {
    pub(crate) servers: Servers,
    pub(crate) wanted: Wanted,
}

/// Whom to connect to, and as who.
pub(crate) struct Servers {
    /// The addresses, for messages.
    pub(crate) place: String,
    pub(crate) addresses: Vec<Address>,
    pub(crate) options: ConnectOptions,
    /// Whether anything says who connects.
    pub(crate) named: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
}

/// The consumer that the conf asks for.
pub(crate) struct Wanted {
    pub(crate) subject: String,
    pub(crate) stream: Option<String>,
    pub(crate) create_stream: bool,
    pub(crate) consumer: String,
    pub(crate) lease: Duration,
    pub(crate) begin: Begin,
}

impl Settings {
    /// All that is wrong with a conf: the path of each key, and why.
    pub(crate) fn problems(conf: &SourceConf, params: &NatsParams) -> Vec<(String, String)> {
        let mut problems: Vec<(String, NatsError)> = [
            ("addrs", addresses(&conf.addrs).err()),
            ("key", subject(&conf.key).err()),
            ("group", group(conf, None).err()),
            ("start", begin(&conf.start, params.stream.as_deref()).err()),
        ]
        .into_iter()
        .filter_map(|(path, error)| Some((path.to_owned(), error?)))
        .collect();
        let contradictions = params.problems();
        // Options that contradict each other are not tried.
        let known = params.without_unset();
        let options = contradictions.is_empty().then(|| options(conf, &known).err()).flatten();
        problems.extend(
            contradictions.into_iter().map(|(param, error)| (format!("params.{param}"), error)),
        );
        problems.extend(options.map(|error| ("params".to_owned(), error)));
        problems.into_iter().map(|(path, error)| (path, error_chain(&error).to_string())).collect()
    }

    pub(crate) fn read(
        conf: &SourceConf,
        params: &NatsParams,
        flow: &str,
    ) -> Result<Self, NatsError> {
        if let Some((_, error)) = params.problems().into_iter().next() {
            return Err(error);
        }
        subject(&conf.key)?;
        let addresses = addresses(&conf.addrs)?;
        let servers = Servers {
            place: addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            addresses,
            options: options(conf, params)?,
            named: params.user.is_some() || params.token_env.is_some() || params.creds.is_some(),
            connect_timeout: params.connect_timeout,
            request_timeout: params.request_timeout,
        };
        let wanted = Wanted {
            subject: conf.key.clone(),
            stream: params.stream.clone(),
            create_stream: params.create_stream,
            consumer: group(conf, Some(flow))?,
            lease: params.lease,
            begin: begin(&conf.start, params.stream.as_deref())?,
        };
        Ok(Self { servers, wanted })
    }
}

impl Servers {
    /// The addresses as async-nats reads them.
    pub(crate) fn to_server_addrs(&self) -> Result<Vec<ServerAddr>, NatsError> {
        let read = |address: &Address| {
            address
                .to_string()
                .parse()
                .map_err(|error| NatsError::conf(format!("the address `{address}`: {error}")))
        };
        self.addresses.iter().map(read).collect()
    }
}

/// The consumer's name: the conf's `group`, or that of the flow, which only `open` knows.
fn group(conf: &SourceConf, flow: Option<&str>) -> Result<String, NatsError> {
    match (conf.group.is_empty(), flow) {
        (true, Some(flow)) => consumer_of(flow),
        (true, None) => Ok(String::new()),
        (false, _) => name("group", &conf.group).map(|()| conf.group.clone()),
    }
}

fn options(conf: &SourceConf, params: &NatsParams) -> Result<ConnectOptions, NatsError> {
    let rows = usize::try_from(conf.batch.rows).unwrap_or(usize::MAX);
    let options = ConnectOptions::new()
        .name(format!("kisflow:{}", conf.sname))
        .connection_timeout(params.connect_timeout)
        .request_timeout(Some(params.request_timeout))
        // A server that hangs is found out within half a minute.
        .ping_interval(Duration::from_secs(10))
        // A pull and what a pull before a reconnect left on its way, and words of the server.
        .subscription_capacity(rows.saturating_mul(4).saturating_add(64).min(1 << 24))
        .require_tls(params.tls)
        .tls_client_config(tls::config(params)?);
    let secret = |param, variable: &str| {
        let secret = Secret::from_env(param, variable).map_err(NatsError::conf)?;
        Ok::<_, NatsError>(secret.reveal().to_owned())
    };
    match params {
        NatsParams { user: Some(user), password_env: Some(variable), .. } => {
            Ok(options.user_and_password(user.clone(), secret("password_env", variable)?))
        }
        NatsParams { token_env: Some(variable), .. } => {
            Ok(options.token(secret("token_env", variable)?))
        }
        NatsParams { creds: Some(path), .. } => {
            let wrong = |error| NatsError::conf(format!("`creds: {path}` cannot be read: {error}"));
            options.credentials(&fs::read_to_string(path).map_err(wrong)?).map_err(wrong)
        }
        _ => Ok(options),
    }
}
