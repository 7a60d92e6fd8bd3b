//! TLS: rustls with ring, told so explicitly, so that no process-wide default is needed or made.

use std::sync::Arc;

use rustls_native_certs::load_native_certs;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::PostgresError;

/// Trusts the machine's authorities and those of the PEM file `ca`.
pub(crate) fn connector(ca: Option<&str>) -> Result<MakeRustlsConnect, PostgresError> {
    let mut roots = RootCertStore::empty();
    // One unreadable file among the machine's authorities is no reason not to connect: if it was
    // the needed one, the handshake says so.
    roots.add_parsable_certificates(load_native_certs().certs);
    if let Some(path) = ca {
        let wrong = |error: &dyn std::fmt::Display| {
            PostgresError::conf(format!("`tls_ca: {path}` cannot be read: {error}"))
        };
        let mut found = false;
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
            found = true;
        }
        if !found {
            return Err(wrong(&"it holds no certificate"));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| PostgresError::conf(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
