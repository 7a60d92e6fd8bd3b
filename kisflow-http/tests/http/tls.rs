//! TLS, with real certificates.

use std::{fs, path::Path, process::Command, sync::Arc};

use crate::support::{
    Answer, LONG, conf, context, done, free_port, next, params, post, read, request,
};
use kisflow_core::{Source, SourceConf};
use kisflow_http::{Http, HttpParams};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .current_dir(dir)
        .args(arguments.split(' '))
        .output()
        .expect("these tests need openssl");
    assert!(output.status.success(), "openssl {arguments}: {output:?}");
}

/// An authority, the server's certificate and key, and the key of somebody else.
fn certificates() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(at, &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    openssl(at, &format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
    fs::write(at.join("server.ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    openssl(
        at,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile server.ext",
    );
    openssl(at, "ecparam -name prime256v1 -genkey -noout -out other.key");
    openssl(at, "pkcs8 -topk8 -in other.key -out encrypted.key -passout pass:secret");
    fs::write(at.join("empty.pem"), "no PEM\n").unwrap();
    dir
}

fn file(dir: &TempDir, name: &str) -> Option<String> {
    Some(dir.path().join(name).to_str().unwrap().to_owned())
}

fn with_tls(dir: &TempDir) -> HttpParams {
    params(|params| {
        params.tls_cert = file(dir, "server.pem");
        params.tls_key = file(dir, "server.key");
    })
}

async fn open(conf: &SourceConf, params: HttpParams) -> Http {
    Http::open(conf, params, context("Flow")).await.unwrap()
}

async fn connect(port: u16, dir: &TempDir) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.path().join("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Posts a row, works on it, and gives the answer.
async fn through(http: &mut Http, stream: &mut TlsStream<TcpStream>, row: &str) -> Answer {
    stream.write_all(&post("/rows", &[], row)).await.unwrap();
    let delivery = next(http).await;
    assert_eq!(delivery.batch().to_ndjson().unwrap(), format!("{row}\n"));
    done(&delivery).await;
    timeout(LONG, read(stream)).await.unwrap().unwrap()
}

#[tokio::test]
async fn rows_are_posted_over_tls() {
    let (dir, port) = (certificates(), free_port());
    let mut http = open(&conf(port, "/rows"), with_tls(&dir)).await;
    let mut stream = connect(port, &dir).await.unwrap();
    assert_eq!(through(&mut http, &mut stream, "1").await.status, 200);
    assert_eq!(through(&mut http, &mut stream, "2").await.status, 200, "on one connection");

    // A client that closes its side behind the request is answered here, too.
    stream.write_all(&post("/rows", &[], "3")).await.unwrap();
    stream.shutdown().await.unwrap();
    done(&next(&mut http).await).await;
    assert_eq!(timeout(LONG, read(&mut stream)).await.unwrap().unwrap().status, 200);

    // One that does not speak TLS, or says nothing at all, keeps nobody out.
    let _mute = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    plain.write_all(&request("GET", "/rows", &[], b"")).await.unwrap();
    let mut said = Vec::new();
    // An alert of TLS, and the end.
    let _ = timeout(LONG, plain.read_to_end(&mut said)).await.unwrap();
    assert!(!said.starts_with(b"HTTP"), "{}", said.escape_ascii());
    let mut stream = connect(port, &dir).await.unwrap();
    assert_eq!(through(&mut http, &mut stream, "4").await.status, 200);
    timeout(LONG / 3, http.close()).await.unwrap().unwrap();
}

#[tokio::test]
async fn openssl_trusts_the_certificate() {
    let (dir, port) = (certificates(), free_port());
    let _http = open(&conf(port, "/rows"), with_tls(&dir)).await;
    let asked = tokio::task::spawn_blocking(move || {
        Command::new("openssl")
            .current_dir(dir.path())
            .args([
                "s_client",
                "-connect",
                &format!("127.0.0.1:{port}"),
                "-servername",
                "localhost",
            ])
            .args(["-CAfile", "ca.pem", "-verify_return_error"])
            .stdin(std::process::Stdio::null())
            .output()
    });
    let output = timeout(LONG, asked).await.unwrap().unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn sources_at_one_address_agree_on_tls() {
    let (dir, port, context) = (certificates(), free_port(), context("Flow"));
    let open =
        async |path: &str, params| Http::open(&conf(port, path), params, context.clone()).await;
    let one = open("/one", with_tls(&dir)).await.unwrap();
    let error = open("/two", HttpParams::default()).await.err().unwrap();
    assert!(error.to_string().contains("does not agree with the others"), "{error}");
    let two = open("/two", with_tls(&dir)).await.unwrap();
    one.close().await.unwrap();
    two.close().await.unwrap();
}

#[test]
fn what_is_wrong_with_certificate_and_key_is_told() {
    let dir = certificates();
    let check = |change: &dyn Fn(&mut HttpParams), expect: Option<(&str, &str)>| {
        let mut params = with_tls(&dir);
        change(&mut params);
        let misfits = Http::check(&conf(8080, "/rows"), &params);
        match (misfits.as_slice(), expect) {
            ([], None) => {}
            ([(path, message)], Some((key, words))) => {
                assert!(path == key && message.contains(words), "{path}: {message}");
            }
            other => panic!("{other:?}"),
        }
    };
    let (cert, key) = ("params.tls_cert", "params.tls_key");
    check(&|_| {}, None);
    check(&|params| params.tls = Some(true), None);
    check(&|params| params.tls = Some(false), Some((cert, "TLS is off")));
    check(&|params| params.tls_key = None, Some((key, "TLS needs `tls_key`")));
    check(&|params| params.tls_cert = None, Some((cert, "TLS needs `tls_cert`")));
    check(
        &|params| {
            *params = {
                let mut tls = HttpParams::default();
                tls.tls = Some(true);
                tls
            }
        },
        Some((cert, "TLS needs")),
    );
    check(
        &|params| params.tls_key = file(&dir, "other.key"),
        Some((key, "is not that of the certificate in")),
    );
    check(&|params| params.tls_key = file(&dir, "encrypted.key"), Some((key, "is encrypted")));
    check(&|params| params.tls_key = file(&dir, "server.pem"), Some((key, "holds no private key")));
    check(&|params| params.tls_key = file(&dir, "gone.key"), Some((key, "there is no such file")));
    check(
        &|params| params.tls_cert = file(&dir, "gone.pem"),
        Some((cert, "there is no such file")),
    );
    check(
        &|params| params.tls_cert = file(&dir, "server.key"),
        Some((cert, "holds no certificate")),
    );
    check(
        &|params| params.tls_cert = file(&dir, "empty.pem"),
        Some((cert, "holds no certificate")),
    );
    check(&|params| params.tls_cert = file(&dir, ""), Some((cert, "cannot be read")));
}
