//! Commands get at a file through the process that has it open, and that process does not notice those
//! that do not behave.
#![cfg(unix)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use kisflow_core::{
    ConnConf, Connector, Durable, Record, Storage,
    durable::{Commit, Key, Scan, each_page},
    error_chain,
};
use kisflow_redb::{Redb, RedbError, RedbParams};

const CHILD: &str = "KISFLOW_REDB_SOCKET_CHILD";

fn conf(path: &Path) -> ConnConf {
    ConnConf::new("kisflow", "redb").addrs(path.to_str().unwrap())
}

async fn connect(path: &Path) -> Redb {
    Redb::connect(&conf(path), RedbParams::default()).await.unwrap()
}

async fn attach(path: &Path) -> Result<Redb, RedbError> {
    let attached = Redb::attach(&conf(path), RedbParams::default()).await;
    attached.map_err(|error| *error.downcast::<RedbError>().unwrap())
}

fn socket(path: &Path) -> PathBuf {
    path.with_extension("redb.sock")
}

/// No test of its own: a service that has the file open until its standard input ends.
#[test]
fn child() {
    let Ok(path) = env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let redb = connect(Path::new(&path)).await;
        redb.commit(&Commit::new().put(key("service"), "1")).await.unwrap();
        println!("open");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    });
}

/// A process that has the file open.
fn service(path: &Path) -> Service {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "socket::child", "--nocapture"])
        .env(CHILD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines = (&mut stdout).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "open"));
    Service { child, _stdout: stdout }
}

struct Service {
    child: Child,
    /// It may write until it ends.
    _stdout: BufReader<ChildStdout>,
}

impl Service {
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn key(name: &str) -> Key {
    Key::raw("space", name)
}

async fn value(redb: &Redb, name: &str) -> Option<Vec<u8>> {
    let found = redb.read(&[key(name)]).await.unwrap();
    Some(found.into_iter().flatten().next()?.value.to_vec())
}

/// What each of a store's two sides does.
async fn works(redb: &Redb) {
    let commit = Commit::new().put(key("a"), vec![0, 255]).put(key("b"), "2");
    redb.commit(&commit).await.unwrap();
    redb.commit(&Commit::new().remove(key("b"))).await.unwrap();
    assert_eq!(value(redb, "a").await.as_deref(), Some(&[0, 255][..]));
    assert_eq!(value(redb, "b").await, None);
    let keys = redb.scan(&Scan::of("space")).await.unwrap();
    let keys: Vec<&[u8]> = keys.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, [&b"a"[..], b"service"]);
    assert_eq!(redb.usage("space").await.unwrap().entries, 2);
    let fields = vec![("id".into(), Some("1".to_owned()))];
    redb.put(vec![Record::new("r", fields)]).await.unwrap();
    let keys = ["r".to_owned(), "s".to_owned()];
    let found = redb.get(&keys).await.unwrap();
    assert_eq!(found, [Some(vec![("id".to_owned(), "1".to_owned())]), None]);
    redb.remove(&keys).await.unwrap();
    assert_eq!(redb.get(&keys).await.unwrap(), [None, None]);
    redb.ping().await.unwrap();
}

#[tokio::test]
async fn a_command_works_on_a_file_that_a_service_has_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let service = service(&path);
    // Only a command is let in: a second service would have the same positions.
    let second = Redb::connect(&conf(&path), RedbParams::default()).await.unwrap_err();
    assert!(second.downcast_ref::<RedbError>().is_some_and(RedbError::is_in_use));

    let command = attach(&path).await.unwrap();
    works(&command).await;
    service.end();
    let gone = command.read(&[key("a")]).await.unwrap_err();
    assert!(gone.downcast_ref::<RedbError>().is_some_and(RedbError::is_in_use), "{gone}");
    drop(command);
    // Nobody has it open: the command does itself. What it wrote before is there.
    let alone = attach(&path).await.unwrap();
    assert_eq!(value(&alone, "a").await.as_deref(), Some(&[0, 255][..]));
    works(&alone).await;
}

#[tokio::test]
async fn the_socket_is_this_users_alone_and_goes_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let redb = connect(&path).await;
    let found = fs::symlink_metadata(socket(&path)).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let clone = redb.clone();
    drop(redb);
    assert!(socket(&path).exists(), "a clone has it open still");
    drop(clone);
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["kisflow.redb"]);
}

#[tokio::test]
async fn the_socket_of_a_service_that_was_killed_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    service(&path).kill();
    assert!(socket(&path).exists(), "it was left behind");
    // A command opens the file itself, and leaves no socket.
    let command = attach(&path).await.unwrap();
    assert_eq!(value(&command, "service").await.as_deref(), Some(&b"1"[..]));
    drop(command);
    assert!(!socket(&path).exists());

    service(&path).kill();
    let next = service(&path);
    works(&attach(&path).await.unwrap()).await;
    next.end();
    assert!(!socket(&path).exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    fs::write(socket(&path), "somebody's").unwrap();
    let redb = connect(&path).await;
    assert!(attach(&path).await.unwrap_err().is_in_use());
    drop(redb);
    assert_eq!(fs::read_to_string(socket(&path)).unwrap(), "somebody's");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_path_may_be_longer_than_the_address_of_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("d".repeat(120)).join("kisflow.redb");
    let service = service(&path);
    works(&attach(&path).await.unwrap()).await;
    service.end();
    assert!(!socket(&path).exists());
}

/// What a client sends that does not behave.
fn misbehaviours() -> Vec<Vec<u8>> {
    let greeting = b"kisflow\x02".to_vec();
    let with = |bytes: &[u8]| [&greeting[..], bytes].concat();
    let frame = |bytes: &[u8]| with(&[&(bytes.len() as u64).to_be_bytes()[..], bytes].concat());
    vec![
        Vec::new(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"kisflow\x02".to_vec(),
        vec![0; 1 << 16],
        // Half a greeting, half a length, half a frame.
        b"kis".to_vec(),
        with(&[0, 0]),
        with(&[&100_u64.to_be_bytes()[..], b"half"].concat()),
        // More than anybody may send.
        with(&u64::MAX.to_be_bytes()),
        frame(b""),
        frame(b"\xff"),
        // Texts that claim to be longer than the frame; a list of as many entries as there are atoms.
        frame(&[&[1][..], &u64::MAX.to_be_bytes()].concat()),
        frame(&[&[5][..], &u64::MAX.to_be_bytes()].concat()),
    ]
}

#[tokio::test]
async fn a_service_does_not_notice_clients_that_send_garbage_or_hang() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let redb = connect(&path).await;
    redb.commit(&Commit::new().put(key("service"), "1")).await.unwrap();
    for garbage in misbehaviours() {
        let mut client = UnixStream::connect(socket(&path)).unwrap();
        // It may be closed before all is sent.
        client.write_all(&garbage).ok();
        client.shutdown(std::net::Shutdown::Write).ok();
        client.read_to_end(&mut Vec::new()).ok();
        // It was answered or closed, and the next one is let in.
        let command = attach(&path).await.unwrap();
        assert_eq!(command.usage("space").await.unwrap().entries, 1, "{garbage:?}");
    }
    // Those that hang take all places there are; the service works meanwhile.
    let hanging: Vec<_> = (0..20)
        .map(|_| {
            let mut client = UnixStream::connect(socket(&path)).unwrap();
            client.write_all(b"kisflow\x02\0\0").ok();
            client
        })
        .collect();
    works(&redb).await;
    drop(hanging);
    let command = loop {
        match attach(&path).await {
            Ok(command) => break command,
            // Their places are free when it is seen that they have gone.
            Err(error) => assert!(!error.is_in_use(), "{}", error_chain(&error)),
        }
    };
    works(&command).await;
}

#[tokio::test]
async fn a_page_over_the_socket_is_bounded_and_nothing_of_it_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kisflow.redb");
    let redb = connect(&path).await;
    let large = vec![7; 6 << 20];
    for name in ["a", "b", "c", "d", "e"] {
        redb.commit(&Commit::new().put(key(name), large.clone())).await.unwrap();
    }
    let command = attach(&path).await.unwrap();
    let (mut keys, mut pages) = (Vec::new(), 0);
    each_page(&command, Scan::of("space"), async |page| {
        pages += 1;
        keys.extend(page.into_iter().map(|(key, _)| key));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((keys.concat(), pages), (b"abcde".to_vec(), 2));
    let text = "x".repeat(257 << 20);
    let too_large = Record::new("f", vec![("text".into(), Some(text))]);
    let error = command.put(vec![too_large]).await.unwrap_err();
    assert!(error.to_string().contains("more was to be written at once"), "{error}");
}
