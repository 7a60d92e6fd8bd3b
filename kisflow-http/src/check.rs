//! What is wrong with a conf, before anything is opened.

use std::{env, env::VarError, ops::RangeInclusive};

use kisflow_core::{SourceConf, Start};

use crate::{params::HttpParams, tls::Tls};

/// The path of a key, and what is wrong with its value.
type Misfit = (String, String);

/// All that is wrong with a conf.
pub(crate) fn check(conf: &SourceConf, params: &HttpParams) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let mut misfit = |path: &str, message: Option<String>| {
        misfits.extend(message.map(|message| (path.to_owned(), message)));
    };
    misfit("addrs", address(&conf.addrs));
    misfit("key", path(&conf.key));
    misfit(
        "group",
        (!conf.group.is_empty()).then(|| {
            "a post goes to one flow, the one whose path it names; drop the group".to_owned()
        }),
    );
    misfit(
        "start",
        (conf.start != Start::Earliest).then(|| {
            "there is no past to start from, rows come as they are posted; drop it".to_owned()
        }),
    );
    misfit("params.max_body_bytes", within(params.max_body_bytes, 1..=1 << 30));
    misfit("params.queue", within(params.queue, 1..=10_000));
    misfit("params.memory_bytes", memory(params));
    for (path, duration) in [("params.timeout_ms", params.timeout), ("params.idle_ms", params.idle)]
    {
        misfit(path, duration.is_zero().then(|| "expected at least 1ms".to_owned()));
    }
    misfit(
        "params.min_bytes_per_second",
        (params.min_bytes_per_second == 0).then(|| "expected at least 1".to_owned()),
    );
    misfit("params.idempotency_keys", within(params.idempotency_keys, 0..=1_000_000));
    if let Err((path, message)) = Tls::read(params) {
        misfit(path, Some(message));
    }
    // A variable that is not set is no fault of the conf: only what listens needs it.
    let unset = |variable: &String| env::var_os(variable).is_none();
    if !params.token_env.as_ref().is_some_and(unset) {
        misfit("params.token_env", token(params).err());
    }
    misfits
}

/// What is wrong with `addrs`.
fn address(addrs: &str) -> Option<String> {
    let example = "expected host:port, such as 0.0.0.0:8080";
    if addrs.is_empty() {
        return Some(format!("where to listen is missing; {example}"));
    }
    if addrs.contains(',') {
        return Some(format!(
            "one source listens at one address; {example}, which is all of this machine's"
        ));
    }
    let port = addrs.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(0)) => Some("port 0 is another port at each start; name one".to_owned()),
        Some(Ok(_)) => None,
        _ => Some(format!("\"{addrs}\" is no address to listen at; {example}")),
    }
}

/// What is wrong with `key`.
fn path(key: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%\"<>\\^`{|}".contains(&byte);
    match key {
        "" => None,
        key if !key.starts_with('/') => Some(format!("a path starts with a slash: write /{key}")),
        key if !key.bytes().all(plain) => {
            Some(format!("\"{key}\" is no plain path; write one of letters, digits, /, - and _"))
        }
        _ => None,
    }
}

/// What is wrong with `memory_bytes`: a body is held packed and unpacked for a moment.
fn memory(params: &HttpParams) -> Option<String> {
    let least = params.max_body_bytes.saturating_mul(2);
    let memory = params.memory_bytes.filter(|memory| *memory < least)?;
    Some(format!("expected at least twice `max_body_bytes`, which is {least}; found {memory}"))
}

fn within(number: usize, range: RangeInclusive<usize>) -> Option<String> {
    let (start, end) = (range.start(), range.end());
    (!range.contains(&number)).then(|| format!("expected {start} to {end}, found {number}"))
}

/// The token that every post must have, if one is set; or why it is missing.
pub(crate) fn token(params: &HttpParams) -> Result<Option<String>, String> {
    let Some(variable) = &params.token_env else { return Ok(None) };
    match env::var(variable) {
        Ok(token) if token.is_empty() => {
            Err(format!("the environment variable `{variable}` is empty"))
        }
        Ok(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => Err(format!(
            "the environment variable `{variable}` is no token: it has blanks or no ASCII"
        )),
        Ok(token) => Ok(Some(token)),
        Err(VarError::NotPresent) => {
            Err(format!("the environment variable `{variable}` is not set"))
        }
        // `VarError` itself would print the value.
        Err(VarError::NotUnicode(_)) => {
            Err(format!("the environment variable `{variable}` is not UTF-8"))
        }
    }
}
