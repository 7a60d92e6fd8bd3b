//! [`Address`]: `addrs` of a connector or a source that has servers.

use std::{error::Error, fmt};

/// One server's address: `host:port`, or `[ipv6]:port`.
///
/// ```
/// use kisflow_core::Address;
///
/// let addresses = Address::list("10.0.0.1:7000, [::1]:7001", "127.0.0.1:6379")?;
/// assert_eq!((addresses[1].host.as_str(), addresses[1].port), ("::1", 7001));
/// # Ok::<(), kisflow_core::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// From 1.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(formatter, "[{}]:{}", self.host, self.port),
            false => write!(formatter, "{}:{}", self.host, self.port),
        }
    }
}

impl Address {
    /// Returns the addresses of an `addrs`, separated by commas, in order; at least one. `example`
    /// is a usual address of the engine, for messages.
    ///
    /// # Errors
    ///
    /// When there is none, or one is invalid; the error quotes it, without a possible password.
    pub fn list(addrs: &str, example: &str) -> Result<Vec<Self>, AddressError> {
        let addrs = addrs.split(',').map(str::trim).filter(|addr| !addr.is_empty());
        let addresses: Vec<Self> = addrs.map(address).collect::<Result<_, _>>()?;
        if addresses.is_empty() {
            let message =
                format!("`addrs` names no server; expected `host:port`, such as `{example}`");
            return Err(AddressError { message });
        }
        Ok(addresses)
    }
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    message: String,
}

impl fmt::Display for AddressError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for AddressError {}

fn address(addr: &str) -> Result<Address, AddressError> {
    let wrong = |why: &str| AddressError {
        message: format!(
            "the address `{}` {why}; expected `host:port` or `[ipv6]:port`",
            without_secrets(addr)
        ),
    };
    if addr.contains("://") || addr.contains('@') {
        return Err(wrong(
            "is a URL; what else it says (users, passwords, TLS, databases) are params",
        ));
    }
    let (host, port) = match addr.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| wrong("has no `]`"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(wrong("has no IPv6 address in its brackets"));
            }
            (host, port.strip_prefix(':').ok_or_else(|| wrong("has no port"))?)
        }
        None => addr.rsplit_once(':').ok_or_else(|| wrong("has no port"))?,
    };
    if host.is_empty() {
        return Err(wrong("has no host"));
    }
    if host.contains(':') && !addr.starts_with('[') {
        return Err(wrong("is an IPv6 address without brackets, or has one `:` too many"));
    }
    if host.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(wrong("has a host that is no name"));
    }
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Address { host: host.to_owned(), port }),
        _ => Err(wrong("has a port that is no number from 1 to 65535")),
    }
}

/// A URL in the place of an address may hold a password: everything before its `@` goes.
fn without_secrets(addr: &str) -> String {
    match addr.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => addr.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(addrs: &str) -> Result<Vec<Address>, AddressError> {
        Address::list(addrs, "127.0.0.1:6379")
    }

    fn read(addrs: &str) -> Vec<String> {
        list(addrs).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_and_ip_addresses_of_both_kinds_are_read() {
        assert_eq!(read("localhost:6379"), ["localhost:6379"]);
        assert_eq!(
            read(" 10.0.0.1:7000, redis-2.internal:7001,"),
            ["10.0.0.1:7000", "redis-2.internal:7001"]
        );
        assert_eq!(read("[::1]:6379"), ["[::1]:6379"]);
        assert_eq!(list("[::1]:6379").unwrap()[0].host, "::1");
    }

    #[test]
    fn a_bad_address_is_named_with_what_is_expected() {
        let check =
            |addrs: &str, expect: &str| assert_eq!(list(addrs).unwrap_err().to_string(), expect);
        let form = "expected `host:port` or `[ipv6]:port`";
        check("", "`addrs` names no server; expected `host:port`, such as `127.0.0.1:6379`");
        check(" ,", "`addrs` names no server; expected `host:port`, such as `127.0.0.1:6379`");
        check("localhost", &format!("the address `localhost` has no port; {form}"));
        check(
            "a:1,b:x",
            &format!("the address `b:x` has a port that is no number from 1 to 65535; {form}"),
        );
        check(
            "a:0",
            &format!("the address `a:0` has a port that is no number from 1 to 65535; {form}"),
        );
        check(":6379", &format!("the address `:6379` has no host; {form}"));
        check(
            "::1:6379",
            &format!(
                "the address `::1:6379` is an IPv6 address without brackets, or has one `:` too many; {form}"
            ),
        );
        check("[::1]", &format!("the address `[::1]` has no port; {form}"));
        check("[::1:6379", &format!("the address `[::1:6379` has no `]`; {form}"));
        check("[x]:1", &format!("the address `[x]:1` has no IPv6 address in its brackets; {form}"));
        check("a b:1", &format!("the address `a b:1` has a host that is no name; {form}"));
    }

    #[test]
    fn a_url_is_refused_without_showing_its_password() {
        let error = list("redis://user:hunter2@host:6379").unwrap_err().to_string();
        assert!(error.contains("`…@host:6379` is a URL"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
