//! Structs and enums as they are written: fields, types and doc comments, from source that rustfmt
//! has laid out.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A field of a struct.
pub(crate) struct Field {
    /// As conf spells it.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) doc: String,
}

/// The Rust files of the crates below `root`, without their tests.
pub(crate) fn sources(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("kisflow-") {
            find(&entry.path().join("src"), &mut files);
        }
    }
    files.retain(|file| !file.to_string_lossy().contains("tests"));
    files
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// The lines of the item that opens with `head`, its attributes first.
fn item(home: &Path, head: &str) -> Vec<String> {
    let mut files = Vec::new();
    find(&home.join("src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let Some(start) = lines.iter().position(|line| *line == head) else { continue };
        let attributes = lines[..start].iter().rev().take_while(|line| line.starts_with("#["));
        let end = lines[start..].iter().position(|line| *line == "}").unwrap();
        let body = &lines[start - attributes.count()..start + end];
        return body.iter().map(|line| (*line).to_owned()).collect();
    }
    panic!("no file below {} has `{head}`", home.display())
}

/// The fields of a struct of the crate at `home`.
pub(crate) fn fields(home: &Path, name: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut doc = Vec::new();
    let mut key = None;
    for line in item(home, &format!("pub struct {name} {{")) {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim().to_owned());
        } else if let Some(rename) = line.split_once("rename = \"").map(|(_, rename)| rename) {
            key = rename.split('"').next().map(str::to_owned);
        } else if let Some((name, ty)) =
            line.strip_prefix("pub ").and_then(|line| line.split_once(": "))
        {
            let text = std::mem::take(&mut doc).join(" ");
            fields.push(Field {
                key: key.take().unwrap_or_else(|| name.to_owned()),
                name: name.to_owned(),
                ty: ty.trim_end_matches(',').to_owned(),
                doc: text.replace("  ", " ").replace("[`", "`").replace("`]", "`"),
            });
        }
    }
    fields
}

/// The words of an enum of the crate at `home`, as conf spells them.
pub(crate) fn words(home: &Path, name: &str) -> Vec<String> {
    let lines = item(home, &format!("pub enum {name} {{"));
    let snake = lines.iter().any(|line| line.contains("rename_all = \"snake_case\""));
    assert!(
        snake || lines.iter().any(|line| line.contains("rename_all = \"lowercase\"")),
        "`{name}` has no `rename_all` that is known here"
    );
    let variants = lines.iter().filter_map(|line| {
        let variant = line.strip_prefix("    ")?.strip_suffix(',')?;
        variant.starts_with(char::is_uppercase).then_some(variant)
    });
    let word = |variant: &str| {
        let mut word = String::new();
        for (at, letter) in variant.chars().enumerate() {
            if snake && at > 0 && letter.is_uppercase() {
                word.push('_');
            }
            word.extend(letter.to_lowercase());
        }
        word
    };
    variants.map(word).collect()
}
