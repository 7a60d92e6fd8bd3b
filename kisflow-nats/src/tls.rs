//! TLS: rustls with ring, told so explicitly, so that no process-wide default is needed or made.

use std::{fmt::Display, sync::Arc};

use async_nats::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{error::NatsError, params::NatsParams};

/// Trusts the machine's authorities and those of the PEM file `tls_ca`; without `tls` nobody, so
/// that a server that wants TLS all the same is an error and no surprise.
pub(crate) fn config(params: &NatsParams) -> Result<ClientConfig, NatsError> {
    let mut roots = RootCertStore::empty();
    if params.tls {
        // One unreadable file among the machine's authorities is no reason not to connect: if it
        // was the needed one, the handshake says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &params.tls_ca {
            trust(&mut roots, path)?;
        }
        if roots.is_empty() {
            return Err(NatsError::conf(
                "TLS trusts nobody: this machine lists no authorities; name a PEM file in `tls_ca`",
            ));
        }
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| NatsError::conf(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn trust(roots: &mut RootCertStore, path: &str) -> Result<(), NatsError> {
    let wrong =
        |error: &dyn Display| NatsError::conf(format!("`tls_ca: {path}` cannot be read: {error}"));
    let mut found = false;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
        found = true;
    }
    match found {
        true => Ok(()),
        false => Err(wrong(&"it holds no certificate")),
    }
}
