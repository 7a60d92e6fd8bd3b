//! Writes conf as YAML files that read back to the same conf.

use std::{fs, io, path::Path, sync::Arc};

use serde::{Serialize, Serializer};
use serde_yaml::Value;

use super::{
    Conf, ConnConf, FlowConf, FunctionConf, GlobalConf, Origin, RawParam, RawParams, SourceConf,
    Status, TestConf, TestRecords,
    node::Written,
    params::Kind,
    problem::{FileOrigin, Step},
    scalar::{Meaning, Scalar},
    variables::escape,
};
use crate::error::BoxError;

/// A document: its kind first, then what it says.
#[derive(Serialize)]
struct Document<'a, T> {
    kistype: &'static str,
    #[serde(flatten)]
    conf: &'a T,
}

impl Conf {
    /// Writes one file for each flow, function, connector, source and test, into `flow/`, `func/`,
    /// `conn/`, `source/` and `test/` below `dir`, and one for the global conf unless it is empty.
    /// Existing files of the same names are overwritten; others are left alone.
    ///
    /// # Errors
    ///
    /// When a file or directory cannot be written; the error names it.
    pub fn write(&self, dir: impl AsRef<Path>) -> io::Result<()> {
        let dir = dir.as_ref();
        for (name, conf) in &self.flows {
            write_file(&dir.join("flow").join(file_name("flow", name)), conf)?;
        }
        for (name, conf) in &self.functions {
            write_file(&dir.join("func").join(file_name("func", name)), conf)?;
        }
        for (name, conf) in &self.connectors {
            write_file(&dir.join("conn").join(file_name("conn", name)), conf)?;
        }
        for (name, conf) in &self.sources {
            write_file(&dir.join("source").join(file_name("source", name)), conf)?;
        }
        for (name, conf) in &self.tests {
            write_file(&dir.join("test").join(file_name("test", name)), conf)?;
        }
        if self.global != super::GlobalConf::default() {
            write_file(&dir.join("kis-flow.yml"), &self.global)?;
        }
        Ok(())
    }
}

/// A kind of conf that has documents.
pub(super) trait Piece: Serialize {
    const KIND: &'static str;

    fn origin(&self) -> &Origin;

    /// Puts its params into its document, each with the text that it has.
    fn say_params(&self, document: &mut Value, plain: &mut PlainTexts);
}

impl Piece for FlowConf {
    const KIND: &'static str = "flow";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn say_params(&self, document: &mut Value, plain: &mut PlainTexts) {
        for (index, step) in self.flows.iter().enumerate() {
            let step_of = document.get_mut("flows").and_then(|steps| steps.get_mut(index));
            say(step_of, "params", &step.params, plain);
        }
    }
}

impl Piece for FunctionConf {
    const KIND: &'static str = "func";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn say_params(&self, document: &mut Value, plain: &mut PlainTexts) {
        say(document.get_mut("option"), "default_params", &self.option.default_params, plain);
    }
}

impl Piece for ConnConf {
    const KIND: &'static str = "conn";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn say_params(&self, document: &mut Value, plain: &mut PlainTexts) {
        say(Some(document), "params", &self.params, plain);
    }
}

impl Piece for SourceConf {
    const KIND: &'static str = "source";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn say_params(&self, document: &mut Value, plain: &mut PlainTexts) {
        say(Some(document), "params", &self.params, plain);
    }
}

impl Piece for TestConf {
    const KIND: &'static str = "test";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn say_params(&self, document: &mut Value, plain: &mut PlainTexts) {
        say(Some(document), "params", &self.params, plain);
        say_rows(document, "given", &self.given.rows, plain);
        say_records(document, "given", &self.given.records, plain);
        say_rows(document, "expect", self.expect.rows.as_deref().unwrap_or_default(), plain);
        say_records(document, "expect", &self.expect.records, plain);
    }
}

impl Piece for GlobalConf {
    const KIND: &'static str = "global";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn say_params(&self, _: &mut Value, _: &mut PlainTexts) {}
}

/// The origin, with what the piece of conf made of its values with variables.
pub(super) fn said<P: Piece>(mut origin: FileOrigin, conf: &P) -> Origin {
    if !origin.written.is_empty()
        && let Ok(mut document) = serde_yaml::to_value(Document { kistype: P::KIND, conf })
    {
        for (steps, _, value) in &mut origin.written {
            // KisFlow's spelling is read, and ours is written.
            if let [Step::Key(option), Step::Key(key)] = steps.as_mut_slice()
                && (option.as_str(), key.as_str()) == ("option", "return_duration")
            {
                "retry_duration".clone_into(key);
            }
            *value = at(&mut document, steps).map_or(Value::Null, |value| value.clone());
        }
    }
    Origin::File(Arc::new(origin))
}

/// Marks for the values that say the same as when they were read: they are written with their
/// variables again.
fn variables(
    document: &mut Value,
    origin: &Origin,
    plain: &mut PlainTexts,
    flow_style: bool,
) -> Vec<(Vec<Step>, Value)> {
    let Origin::File(origin) = origin else { return Vec::new() };
    let mut marks = Vec::new();
    for (steps, Written { text, plain: is_plain }, value) in &origin.written {
        if at(document, steps).is_some_and(|found| !value.is_null() && found == value) {
            let quoted = || serde_json::to_string(text).unwrap_or_default();
            let bare = *is_plain && !flow_style && stands_alone(text);
            marks.push((steps.clone(), plain.add(&if bare { text.clone() } else { quoted() })));
        }
    }
    marks
}

/// Whether a text with variables needs no quotes.
fn stands_alone(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "${}_-.,/:@+".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '$')
        && text.chars().all(plain)
        && !text.ends_with(':')
}

/// The value that the steps lead to.
fn at<'a>(document: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(document, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Item(index) => value.get_mut(*index),
    })
}

/// Doubles the dollars that would read back as variables; rows have none.
fn double_dollars(document: &mut Value, is_test: bool) {
    match document {
        Value::String(text) if text.contains('$') => *text = escape(text),
        Value::Sequence(items) => {
            items.iter_mut().for_each(|item| double_dollars(item, false));
        }
        Value::Mapping(fields) => {
            for (key, value) in fields {
                let rows = is_test && (key == "given" || key == "expect");
                if !rows {
                    double_dollars(value, false);
                }
            }
        }
        _ => {}
    }
}

/// Replaces params that are there already.
fn say(map: Option<&mut Value>, key: &str, params: &RawParams, plain: &mut PlainTexts) {
    if let Some(place) = map.and_then(|map| map.get_mut(key)) {
        *place = plain.map(params);
    }
}

/// Replaces the rows of a test that are there already.
fn say_rows(document: &mut Value, key: &str, rows: &[RawParam], plain: &mut PlainTexts) {
    if let Some(place) = document.get_mut(key).and_then(|map| map.get_mut("rows")) {
        *place = rows.iter().map(|row| plain.value(row)).collect();
    }
}

/// Replaces the records of a test that are there already.
fn say_records(document: &mut Value, key: &str, records: &TestRecords, plain: &mut PlainTexts) {
    let Some(place) = document.get_mut(key).and_then(|map| map.get_mut("records")) else { return };
    for (cname, records) in records {
        for (id, fields) in records {
            say(place.get_mut(cname.as_str()), id, fields, plain);
        }
    }
}

/// Texts that stand without quotes, such as `0x1F` and `1.10`. The writer would quote them, so it is
/// given marks in their place.
pub(super) struct PlainTexts {
    mark: String,
    texts: Vec<String>,
}

impl PlainTexts {
    /// With marks that a text does not have.
    fn beside(text: &str) -> Self {
        let mut number = 0_u32;
        loop {
            let mark = format!("plain{number}x");
            if !text.contains(&mark) {
                return Self { mark, texts: Vec::new() };
            }
            number += 1;
        }
    }

    fn mark(&self, index: usize) -> String {
        format!("{}{index}x", self.mark)
    }

    fn add(&mut self, text: &str) -> Value {
        self.texts.push(text.to_owned());
        Value::String(self.mark(self.texts.len() - 1))
    }

    fn map(&mut self, params: &RawParams) -> Value {
        let fields =
            params.iter().map(|(name, param)| (Value::from(name.as_str()), self.value(param)));
        Value::Mapping(fields.collect())
    }

    fn value(&mut self, param: &RawParam) -> Value {
        match &param.0 {
            Kind::Scalar(scalar) if scalar.bare => self.add(&scalar.text),
            // The writer does not know that it would be read as a number.
            Kind::Scalar(scalar) if Scalar::plain(&scalar.text).meaning() == Meaning::Large => {
                self.add(&format!("\"{}\"", scalar.text))
            }
            Kind::Scalar(scalar) => scalar.text.as_str().into(),
            Kind::List(items) => {
                Value::Sequence(items.iter().map(|item| self.value(item)).collect())
            }
            Kind::Map(fields) => self.map(fields),
        }
    }

    /// Puts the texts in the place of their marks.
    fn put_in(&self, mut written: String) -> String {
        for (index, text) in self.texts.iter().enumerate() {
            let mark = self.mark(index);
            written = written.replace(&format!("\"{mark}\""), text).replace(&mark, text);
        }
        written
    }
}

fn write_file<P: Piece>(path: &Path, conf: &P) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text = to_yaml(conf).map_err(|error| named(io::Error::other(error)))?;
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
fn to_yaml<P: Piece>(conf: &P) -> Result<String, BoxError> {
    let mut document = serde_yaml::to_value(Document { kistype: P::KIND, conf })?;
    let json = serde_json::to_string(&document)?;
    let mut plain = PlainTexts::beside(&json);
    let flow_style = json.contains(CONTESTED) || json.contains(MERGE_KEY);
    let written = variables(&mut document, conf.origin(), &mut plain, flow_style);
    conf.say_params(&mut document, &mut plain);
    double_dollars(&mut document, P::KIND == "test");
    for (steps, mark) in written {
        if let Some(place) = at(&mut document, &steps) {
            *place = mark;
        }
    }
    if !flow_style {
        return Ok(plain.put_in(serde_yaml::to_string(&document)?));
    }
    let escape = |json: String, character: char| {
        json.replace(character, &format!("\\u{:04x}", u32::from(character)))
    };
    let json = plain.put_in(serde_json::to_string_pretty(&document)?);
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
