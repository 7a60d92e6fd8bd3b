//! [`NatsParams`]: `params` of a source of `type: nats`.

use std::time::Duration;

use serde::Deserialize;

use crate::{error::NatsError, name};

/// `params` of a source of `type: nats`; all of them may be left out.
///
/// ```
/// use kisflow_core::SourceConf;
///
/// let conf = SourceConf::new("orders", "nats")
///     .addrs("10.0.0.1:4222, 10.0.0.2:4222")
///     .key("orders.>")
///     .param("stream", "ORDERS")
///     .param("creds", "/etc/shop/orders.creds");
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NatsParams {
    /// The stream's name (default: the one stream that has the subjects of `key`).
    pub stream: Option<String>,
    /// Whether to create the stream `stream` with the subjects of `key` when there is none: in
    /// files, without limits, one replica (default false). One that exists stays as it is.
    pub create_stream: bool,
    /// How long a row stays with a reader that is silent, until another may have it; it is the
    /// consumer's `ack_wait` (default 30 s). A reader that works asks for more.
    #[serde(rename = "lease_ms", with = "kisflow_core::millis")]
    pub lease: Duration,
    /// The user (default: none).
    pub user: Option<String>,
    /// The environment variable that holds the user's password.
    pub password_env: Option<String>,
    /// The environment variable that holds a token, for servers that want one instead of a user.
    pub token_env: Option<String>,
    /// A `.creds` file: a user's JWT and its seed.
    pub creds: Option<String>,
    /// Whether to speak TLS (default false). The servers' certificates must be signed by an
    /// authority that this machine trusts, or by that of `tls_ca`, for the host of `addrs`.
    pub tls: bool,
    /// A PEM file with certificates of further authorities to trust.
    pub tls_ca: Option<String>,
    /// How long opening may take until it is an error, and each later attempt to connect
    /// (default 5 s).
    #[serde(rename = "connect_timeout_ms", with = "kisflow_core::millis")]
    pub connect_timeout: Duration,
    /// How long an answer may take: to a request, and to rows that are settled (default
    /// 5 s).
    #[serde(rename = "request_timeout_ms", with = "kisflow_core::millis")]
    pub request_timeout: Duration,
}

impl Default for NatsParams {
    fn default() -> Self {
        Self {
            stream: None,
            create_stream: false,
            lease: Duration::from_secs(30),
            user: None,
            password_env: None,
            token_env: None,
            creds: None,
            tls: false,
            tls_ca: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
        }
    }
}

impl NatsParams {
    /// The params without secrets whose variables are not set.
    pub(crate) fn without_unset(&self) -> Self {
        let mut params = self.clone();
        let is_unset = |variable: &Option<String>| {
            variable.as_deref().is_some_and(|variable| std::env::var_os(variable).is_none())
        };
        if is_unset(&params.password_env) {
            (params.user, params.password_env) = (None, None);
        }
        if is_unset(&params.token_env) {
            params.token_env = None;
        }
        params
    }

    /// What contradicts itself, or cannot be: the param's name and why.
    pub(crate) fn problems(&self) -> Vec<(&'static str, NatsError)> {
        let mut problems = Vec::new();
        let mut problem = |param, text: &str| problems.push((param, NatsError::conf(text)));
        if self.user.is_some() != self.password_env.is_some() {
            match self.user {
                Some(_) => problem("user", "`user` needs `password_env`"),
                None => problem("password_env", "`password_env` needs `user`"),
            }
        }
        let ways = [("user", &self.user), ("token_env", &self.token_env), ("creds", &self.creds)];
        let mut set = ways.iter().filter(|(_, value)| value.is_some()).map(|(param, _)| *param);
        if let (Some(first), Some(second)) = (set.next(), set.next()) {
            problem(
                second,
                &format!("`{second}` and `{first}` are set; one of them says who reads"),
            );
        }
        if self.tls_ca.is_some() && !self.tls {
            problem("tls_ca", "`tls_ca` needs `tls: true`");
        }
        if self.create_stream && self.stream.is_none() {
            problem("create_stream", "`create_stream` needs the name of the stream in `stream`");
        }
        for (param, value) in [
            ("lease_ms", self.lease),
            ("connect_timeout_ms", self.connect_timeout),
            ("request_timeout_ms", self.request_timeout),
        ] {
            if value.is_zero() {
                problem(param, &format!("`{param}` is 0; expected a duration from 1ms"));
            }
        }
        if let Some(error) =
            self.stream.as_deref().and_then(|name| name::name("stream", name).err())
        {
            problems.push(("stream", error));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_that_contradict_each_other_are_problems_at_the_param() {
        let check = |change: fn(&mut NatsParams), expect: &[&str]| {
            let mut params = NatsParams::default();
            change(&mut params);
            let found: Vec<&str> = params.problems().into_iter().map(|(param, _)| param).collect();
            assert_eq!(found, expect, "{params:?}");
        };
        let some = || Some("x".to_owned());
        check(|_| {}, &[]);
        check(|params| params.user = Some("x".into()), &["user"]);
        check(|params| params.password_env = Some("x".into()), &["password_env"]);
        check(|params| params.tls_ca = Some("x".into()), &["tls_ca"]);
        check(|params| params.create_stream = true, &["create_stream"]);
        check(|params| params.stream = Some("A.B".into()), &["stream"]);
        check(|params| params.lease = Duration::ZERO, &["lease_ms"]);
        check(|params| params.request_timeout = Duration::ZERO, &["request_timeout_ms"]);
        check(|params| params.connect_timeout = Duration::ZERO, &["connect_timeout_ms"]);
        let both = NatsParams { token_env: some(), creds: some(), ..NatsParams::default() };
        let problems = both.problems();
        assert_eq!(
            problems[0].1.to_string(),
            "`creds` and `token_env` are set; one of them says who reads"
        );
    }
}
