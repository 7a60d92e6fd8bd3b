//! TLS: rustls with ring, told so explicitly, so that no process-wide default is needed or made.

use std::sync::Arc;

use fred::{
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
    rustls_native_certs::load_native_certs,
    types::config::{TlsConfig, TlsConnector, TlsHostMapping},
};

use crate::error::RedisError;

/// Trusts the machine's authorities and those of the PEM file `ca`.
///
/// `by_name` says that the conf names hosts, not IP addresses: the nodes of a cluster, which a
/// cluster lists by IP address, then show certificates for that name.
pub(crate) fn config(ca: Option<&str>, by_name: bool) -> Result<TlsConfig, RedisError> {
    let mut roots = RootCertStore::empty();
    // One unreadable file among the machine's authorities is no reason not to connect: if it was
    // the needed one, the handshake says so.
    let machine = load_native_certs();
    roots.add_parsable_certificates(machine.certs);
    if let Some(path) = ca {
        let wrong = |error: &dyn std::fmt::Display| {
            RedisError::conf(format!("`tls_ca: {path}` cannot be read: {error}"))
        };
        let mut found = false;
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
            roots
                .add(certificate.map_err(|error| wrong(&error))?)
                .map_err(|error| wrong(&error))?;
            found = true;
        }
        if !found {
            return Err(wrong(&"it holds no certificate"));
        }
    }
    if roots.is_empty() {
        return Err(RedisError::conf(
            "TLS trusts nobody: this machine lists no authorities; name a PEM file in `tls_ca`",
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| RedisError::conf(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let hostnames = if by_name { TlsHostMapping::DefaultHost } else { TlsHostMapping::None };
    Ok(TlsConfig { connector: TlsConnector::from(config), hostnames })
}
