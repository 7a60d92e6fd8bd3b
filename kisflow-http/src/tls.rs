//! [`Tls`]: the certificate that a listener shows, by rustls with ring.

use std::{
    fmt::{self, Display},
    io,
    path::Path,
    sync::Arc,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        Error, InconsistentKeys, ServerConfig,
        crypto::ring,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
    },
};

use crate::params::HttpParams;

/// How a listener speaks TLS: the certificate and its key, by the names of their files.
#[derive(Clone)]
pub(crate) struct Tls {
    cert: String,
    key: String,
    acceptor: TlsAcceptor,
}

/// The path of a key of the conf, and what is wrong with its value.
type Misfit = (&'static str, String);

impl Tls {
    /// Reads certificate and key, if TLS is wanted.
    ///
    /// # Errors
    ///
    /// When params are missing, a file cannot be read, or the key is not that of the certificate.
    pub(crate) fn read(params: &HttpParams) -> Result<Option<Self>, Misfit> {
        let (cert, key) = (params.tls_cert.as_deref(), params.tls_key.as_deref());
        let (cert, key) = match (params.tls, cert, key) {
            (None | Some(false), None, None) => return Ok(None),
            (Some(false), Some(_), _) => return Err(("params.tls_cert", off("tls_cert"))),
            (Some(false), None, Some(_)) => return Err(("params.tls_key", off("tls_key"))),
            (_, Some(cert), Some(key)) => (cert, key),
            (_, None, _) => {
                return Err((
                    "params.tls_cert",
                    "TLS needs `tls_cert`: a PEM file with the server's certificate".to_owned(),
                ));
            }
            (_, Some(_), None) => {
                return Err((
                    "params.tls_key",
                    "TLS needs `tls_key`: a PEM file with the private key of `tls_cert`".to_owned(),
                ));
            }
        };
        let chain = certificates(cert).map_err(|message| ("params.tls_cert", message))?;
        let private = private_key(key).map_err(|message| ("params.tls_key", message))?;
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ("params.tls", format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| unfit(cert, key, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Some(Self { cert: cert.to_owned(), key: key.to_owned(), acceptor }))
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        (&self.cert, &self.key) == (&other.cert, &other.key)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("cert", &self.cert).finish_non_exhaustive()
    }
}

fn off(param: &str) -> String {
    format!("`{param}` is set, and TLS is off; set `tls: true`, or drop it")
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: pem::Error| unreadable(path, &error);
    let found = CertificateDer::pem_file_iter(path)
        .map_err(wrong)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(wrong)?;
    match found.is_empty() {
        true => Err(format!("the file {path} holds no certificate in PEM")),
        false => Ok(found),
    }
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound if is_encrypted(path) => {
            format!("the private key in {path} is encrypted; write it without a passphrase")
        }
        pem::Error::NoItemsFound => format!("the file {path} holds no private key in PEM"),
        error => unreadable(path, &error),
    })
}

fn is_encrypted(path: &str) -> bool {
    std::fs::read(Path::new(path))
        .is_ok_and(|text| memchr::memmem::find(&text, b"ENCRYPTED PRIVATE KEY").is_some())
}

fn unreadable(path: &str, error: &pem::Error) -> String {
    let what: &dyn Display = match error {
        pem::Error::Io(error) => match error.kind() {
            io::ErrorKind::NotFound => &"there is no such file",
            io::ErrorKind::PermissionDenied => &"this user may not read it",
            _ => error,
        },
        error => error,
    };
    format!("the file {path} cannot be read: {what}")
}

fn unfit(cert: &str, key: &str, error: &Error) -> Misfit {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            ("params.tls_key", format!("the key in {key} is not that of the certificate in {cert}"))
        }
        error => {
            ("params.tls_cert", format!("{cert} and {key} are no certificate and its key: {error}"))
        }
    }
}
