//! Writes conf as YAML files that read back to the same conf.

use std::{fs, io, path::Path};

use serde::{Serialize, Serializer};

use super::{Conf, Status};
use crate::error::BoxError;

/// A document: its kind first, then what it says.
#[derive(Serialize)]
struct Document<'a, T> {
    kistype: &'static str,
    #[serde(flatten)]
    conf: &'a T,
}

impl Conf {
    /// Writes one file for each flow, function, connector, source and test, and one for the global
    /// conf if it says anything, into `flow/`, `func/`, `conn/`, `source/` and `test/` below `dir`.
    /// Files that are there are overwritten; others are left alone.
    ///
    /// # Errors
    ///
    /// When a file or directory cannot be written; the error names it.
    pub fn write(&self, dir: impl AsRef<Path>) -> io::Result<()> {
        let dir = dir.as_ref();
        for (name, conf) in &self.flows {
            write_file(&dir.join("flow").join(file_name("flow", name)), "flow", conf)?;
        }
        for (name, conf) in &self.functions {
            write_file(&dir.join("func").join(file_name("func", name)), "func", conf)?;
        }
        for (name, conf) in &self.connectors {
            write_file(&dir.join("conn").join(file_name("conn", name)), "conn", conf)?;
        }
        for (name, conf) in &self.sources {
            write_file(&dir.join("source").join(file_name("source", name)), "source", conf)?;
        }
        for (name, conf) in &self.tests {
            write_file(&dir.join("test").join(file_name("test", name)), "test", conf)?;
        }
        if self.global != super::GlobalConf::default() {
            write_file(&dir.join("kis-flow.yml"), "global", &self.global)?;
        }
        Ok(())
    }
}

fn write_file<T: Serialize>(path: &Path, kistype: &'static str, conf: &T) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text =
        to_yaml(&Document { kistype, conf }).map_err(|error| named(io::Error::other(error)))?;
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(named)?;
    }
    fs::write(path, text).map_err(named)
}

/// Characters that YAML 1.1, which the writer writes, takes for ends of lines or leaves out, and
/// YAML 1.2, which the reader reads, does not.
const CONTESTED: [char; 4] = ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'];

/// As a key it merges maps unless it is quoted, and the writer does not quote it.
const MERGE_KEY: &str = "\"<<\":";

/// YAML; for the few texts that it has two opinions of, its subset JSON, where they are escaped.
fn to_yaml<T: Serialize>(document: &T) -> Result<String, BoxError> {
    let json = serde_json::to_string_pretty(document)?;
    if !json.contains(CONTESTED) && !json.contains(MERGE_KEY) {
        return Ok(serde_yaml::to_string(document)?);
    }
    let escape = |json: String, character: char| {
        json.replace(character, &format!("\\u{:04x}", u32::from(character)))
    };
    Ok(CONTESTED.into_iter().fold(json, escape) + "\n")
}

/// `flow-CalStuAvgScore.yml`; what a file name cannot hold is written as `%` and its code, so that
/// two names never share a file.
fn file_name(kind: &str, name: &str) -> String {
    let mut file = format!("{kind}-");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => file.push(char::from(byte)),
            other => file.push_str(&format!("%{other:02x}")),
        }
    }
    file + ".yml"
}

/// KisFlow's `1` and `0`.
pub(super) fn status<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(match status {
        Status::Enabled => 1,
        Status::Disabled => 0,
    })
}
