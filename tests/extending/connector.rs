//! A connector of a program's own, with records, a ping and a private engine for tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use kisflow::{AsStorage, Fields, Private, Record, Result, ScratchDir, StartPrivate, prelude::*};
use kisflow_core::conformance;

// region: connector
/// `type: folder`: each record is a JSON file in the directory `addrs`.
struct Folder {
    dir: PathBuf,
    prefix: String,
    /// Held while a record is read and written again.
    writing: Mutex<()>,
}

#[derive(Deserialize)]
struct FolderParams {}

#[async_trait]
impl Connector for Folder {
    const TYPE: &'static str = "folder";
    type Params = FolderParams;

    fn check(conf: &ConnConf, _: &FolderParams) -> Vec<(String, String)> {
        let missing = ("addrs".to_owned(), "this key is required: the directory".to_owned());
        if conf.addrs.is_empty() { vec![missing] } else { Vec::new() }
    }

    async fn connect(conf: &ConnConf, _: FolderParams) -> Result<Self> {
        Self::open(Path::new(&conf.addrs))
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|folder| folder)
    }

    async fn ping(&self) -> Result<()> {
        fs::read_dir(&self.dir)?;
        Ok(())
    }

    // `test: {folder: private}` of a conf, and `Private::<Folder>::start`.
    fn private() -> Option<StartPrivate<Self>> {
        Some(|_, _| {
            Box::pin(async {
                let dir = ScratchDir::new()?;
                Ok(Private::new(Self::open(dir.path())?, dir))
            })
        })
    }
}
// endregion

// region: storage
#[async_trait]
impl Storage for Folder {
    async fn put(&self, records: Vec<Record>) -> Result<()> {
        let _writing = self.writing.lock().map_err(|_| "a write panicked")?;
        for record in records {
            let mut fields = self.read(&record.key)?.unwrap_or_default();
            for (name, text) in record.fields {
                match text {
                    Some(text) => fields.insert(name.into_owned(), text),
                    None => fields.remove(&*name),
                };
            }
            match fields.is_empty() {
                true => self.delete(&record.key)?,
                false => fs::write(self.path(&record.key), serde_json::to_vec(&fields)?)?,
            }
        }
        Ok(())
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Fields>>> {
        let read = |key: &String| Ok(self.read(key)?.map(|fields| fields.into_iter().collect()));
        keys.iter().map(read).collect()
    }

    async fn remove(&self, keys: &[String]) -> Result<()> {
        keys.iter().try_for_each(|key| self.delete(key))
    }
}
// endregion

impl Folder {
    fn open(dir: &Path) -> Result<Self> {
        let failed = |error| format!("cannot make the folder {}: {error}", dir.display());
        fs::create_dir_all(dir).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), prefix: "record-".to_owned(), writing: Mutex::new(()) })
    }

    /// A key may hold what a file name cannot.
    fn path(&self, key: &str) -> PathBuf {
        let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.dir.join(format!("{}{hex}", self.prefix))
    }

    fn read(&self, key: &str) -> Result<Option<BTreeMap<String, String>>> {
        match fs::read(self.path(key)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn delete(&self, key: &str) -> Result<()> {
        match fs::remove_file(self.path(key)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

// region: conformance
#[tokio::test]
async fn a_folder_keeps_the_rules_of_storage() {
    let folder = Private::<Folder>::start(&ConnConf::new("Records", "folder")).await.unwrap();
    conformance::storage(&*folder).await;
}
// endregion

#[tokio::test]
async fn a_folder_is_checked_and_asked() {
    let missing = Folder::check(&ConnConf::new("Records", "folder"), &FolderParams {});
    assert_eq!(missing.len(), 1);
    let dir = ScratchDir::new().unwrap();
    let conf = ConnConf::new("Records", "folder").addrs(dir.path().to_string_lossy());
    Registry::new().connector::<Folder>().ping(&conf).await.unwrap();
}
