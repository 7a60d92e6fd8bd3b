//! Reads a directory tree of YAML files, gathering every problem of every file.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{
    AbortScope, Conf, ConfError, ConnConf, FlowConf, FunctionConf, FunctionSourceConf, GRACE,
    GlobalConf, Guarantee, Mode, MustCheck, OnReject, OptionConf, Origin, Problem, RowDefaults,
    SourceConf, Status, StepConf, TestConf,
    node::Node,
    parse::parse,
    private::test_engine,
    quarantine::{quarantine, waiting},
    section::{Section, origin},
    source::source,
    suggest,
    test::test,
    variables::{Lookup, Unset, put_in},
    write::said,
};

/// The kinds of conf.
const KINDS: [&str; 6] = ["flow", "func", "conn", "source", "test", "global"];

impl Conf {
    /// Reads every `.yml` and `.yaml` file below `dir`, or the one file that `dir` is.
    ///
    /// # Errors
    ///
    /// All problems of all files: a file that cannot be read, YAML that does not parse, an unknown
    /// kind, key or mode, a duplicate name. Linking checks what the names refer to.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self, ConfError> {
        let (conf, problems) = Self::read_all([dir.as_ref()], &|name| env::var(name));
        ConfError::check(problems)?;
        Ok(conf)
    }

    /// Reads the conf as far as possible, and returns every problem: linking continues to find
    /// more.
    pub(crate) fn read_all<'a>(
        dirs: impl IntoIterator<Item = &'a Path>,
        lookup: Lookup<'_>,
    ) -> (Self, Vec<Problem>) {
        let mut conf = Self::default();
        let mut problems = Vec::new();
        let mut files = Vec::new();
        for dir in dirs {
            let (before, found) = (files.len(), problems.len());
            find_files(dir, &mut files, &mut problems);
            if files.len() == before && problems.len() == found {
                problems.push(at(dir, "there is no .yml or .yaml file in this directory"));
            }
        }
        files.sort();
        files.dedup();
        for file in &files {
            match fs::read_to_string(file) {
                Ok(text) => conf.read_file(file, &text, lookup, &mut problems),
                Err(error) => problems.push(at(file, format!("the file cannot be read: {error}"))),
            }
        }
        (conf, problems)
    }

    fn read_file(
        &mut self,
        file: &Path,
        text: &str,
        lookup: Lookup<'_>,
        problems: &mut Vec<Problem>,
    ) {
        let (documents, mistakes) = parse(text);
        if documents.is_empty() && mistakes.is_empty() {
            problems.push(at(file, "the file is empty; a conf file is a map with a `kistype`"));
        }
        for mistake in mistakes {
            let message = format!("the YAML does not parse: {}", mistake.message);
            problems.push(Problem { line: mistake.line, ..at(file, message) });
        }
        for mut top in documents {
            let mut unset = Vec::new();
            put_in(&mut top, lookup, &mut unset);
            let mut secrets = Vec::new();
            for Unset { line, path, message, only_to_connect } in unset {
                let problem = Problem { line: Some(line), path, ..at(file, message) };
                if only_to_connect { secrets.push(problem) } else { problems.push(problem) }
            }
            self.read_document(file, &top, secrets, problems);
        }
    }

    fn read_document(
        &mut self,
        file: &Path,
        top: &Node,
        secrets: Vec<Problem>,
        problems: &mut Vec<Problem>,
    ) {
        let origin = origin(file, top, secrets);
        let Some(mut section) = Section::top(file, top, problems) else { return };
        let Some(kind) = section.take("kistype") else {
            section.problem(
                "kistype",
                top.line,
                format!("this key is required: one of {}", KINDS.join(", ")),
            );
            return;
        };
        match kind.as_text() {
            Some("flow") => {
                let flow = flow(&mut section);
                section.finish();
                if let Some(flow) = flow {
                    let origin = said(origin, &flow);
                    self.add_flow(FlowConf { origin, ..flow });
                }
            }
            Some("func") => {
                let function = function(&mut section);
                section.finish();
                if let Some(function) = function {
                    let origin = said(origin, &function);
                    self.add_function(FunctionConf { origin, ..function });
                }
            }
            Some("conn") => {
                let conn = conn(&mut section);
                section.finish();
                if let Some(conn) = conn {
                    let origin = said(origin, &conn);
                    self.add_connector(ConnConf { origin, ..conn });
                }
            }
            Some("source") => {
                let source = source(&mut section);
                section.finish();
                if let Some(source) = source {
                    let origin = said(origin, &source);
                    self.add_source(SourceConf { origin, ..source });
                }
            }
            Some("test") => {
                let test = test(&mut section);
                section.finish();
                if let Some(test) = test {
                    let origin = said(origin, &test);
                    self.add_test(TestConf { origin, ..test });
                }
            }
            Some("global") => {
                let global = global(&mut section);
                section.finish();
                let origin = said(origin, &global);
                self.add_global(GlobalConf { origin, ..global });
            }
            _ => {
                let hint = suggest(kind.as_text().unwrap_or_default(), KINDS);
                section.problem(
                    "kistype",
                    kind.line,
                    format!("unknown kistype {}{hint}", kind.describe()),
                );
            }
        }
        problems.append(&mut self.repeated);
    }
}

fn flow(section: &mut Section<'_>) -> Option<FlowConf> {
    let name = section.name("flow_name");
    let status = match section.take("status") {
        None => Status::Enabled,
        Some(node) if node.as_text() == Some("1") => Status::Enabled,
        Some(node) if node.as_text() == Some("0") => Status::Disabled,
        Some(node) => {
            section.problem(
                "status",
                node.line,
                format!("expected 1 (runs) or 0 (does not), found {}", node.describe()),
            );
            Status::Enabled
        }
    };
    let on_reject = word(
        section,
        "on_reject",
        [("fail", OnReject::Fail), ("quarantine", OnReject::Quarantine)],
    );
    let abort =
        word(section, "abort", [("row", AbortScope::EachRow), ("batch", AbortScope::WholeBatch)]);
    let guarantee = word(section, "guarantee", Guarantee::WORDS);
    let row_defaults = word(section, "row_defaults", RowDefaults::WORDS);
    let jump_limit = section.small("jump_limit");
    let source = section.text("source").filter(|name| !name.is_empty());
    let flows = section.sections("flows", |step| {
        let params = step.params("params");
        Some(StepConf { fname: step.name("fname")?, params })
    });
    // Steps that cannot be read have been reported: without them the others stand elsewhere.
    if flows.len() < section.items("flows") {
        return None;
    }
    let mut flow = FlowConf::new(name?);
    flow.flows = flows;
    flow.source = source;
    flow.status = status;
    flow.on_reject = on_reject.unwrap_or_default();
    flow.abort = abort;
    flow.guarantee = guarantee.unwrap_or_default();
    flow.row_defaults = row_defaults;
    flow.jump_limit = jump_limit.unwrap_or(flow.jump_limit);
    Some(flow)
}

fn function(section: &mut Section<'_>) -> Option<FunctionConf> {
    let name = section.name("fname");
    let fmode = word(section, "fmode", Mode::ALL.map(|mode| (mode.as_str(), mode)));
    if fmode.is_none() && section.take("fmode").is_none() {
        section.name("fmode");
    }
    let source = section.section("source", |source| FunctionSourceConf {
        name: source.text("name").unwrap_or_default(),
        must: source.texts("must"),
    });
    let option = section.section("option", |option| {
        let kisflow = option.duration("return_duration");
        let ours = option.duration("retry_duration");
        if kisflow.is_some()
            && ours.is_some()
            && let Some(node) = option.take("return_duration")
        {
            option.problem(
                "return_duration",
                node.line,
                "this is KisFlow's name of `retry_duration`; keep one of the two",
            );
        }
        let cnames = option.texts_by_name("cname");
        let cname = match cnames {
            None => option.text("cname").filter(|name| !name.is_empty()),
            Some(_) => None,
        };
        OptionConf {
            must: word(option, "must", MustCheck::WORDS),
            key: option.text_or_texts("key"),
            cname,
            cnames: cnames.unwrap_or_default(),
            retry_times: option.small("retry_times").unwrap_or_default(),
            retry_duration: ours.or(kisflow),
            timeout: option.duration("timeout"),
            jump: option.texts("jump"),
            default_params: option.params("default_params"),
        }
    });
    let mut function = FunctionConf::new(name?, fmode.unwrap_or_default());
    function.source = source;
    function.option = option;
    Some(function)
}

fn conn(section: &mut Section<'_>) -> Option<ConnConf> {
    let name = section.name("cname");
    let engine = section.text("type").unwrap_or_default();
    let addrs = section.text("addrs").unwrap_or_default();
    let key = section.text("key").unwrap_or_default();
    let params = section.params("params");
    let load = section.texts("load");
    let save = section.texts("save");
    let test = test_engine(section, Some(&engine));
    let mut conn = ConnConf::new(name?, engine);
    (conn.addrs, conn.key, conn.params, conn.load, conn.save) = (addrs, key, params, load, save);
    conn.test = test;
    Some(conn)
}

fn global(section: &mut Section<'_>) -> GlobalConf {
    GlobalConf {
        prometheus_enable: section.boolean("prometheus_enable").unwrap_or_default(),
        prometheus_listen: section.boolean("prometheus_listen").unwrap_or_default(),
        prometheus_serve: section.text("prometheus_serve").unwrap_or_default(),
        row_defaults: word(section, "row_defaults", RowDefaults::WORDS).unwrap_or_default(),
        must: word(section, "must", MustCheck::WORDS).unwrap_or_default(),
        grace: section.duration("grace_ms").unwrap_or(GRACE),
        quarantine: quarantine(section),
        waiting: waiting(section),
        origin: Origin::Code,
    }
}

/// One of a few words.
pub(super) fn word<T: Copy, const N: usize>(
    section: &mut Section<'_>,
    key: &'static str,
    words: [(&'static str, T); N],
) -> Option<T> {
    let node = section.take(key)?;
    let text = node.as_text().unwrap_or_default();
    let found = words.iter().find(|(word, _)| text == *word).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let hint = suggest(text, words.map(|(word, _)| word));
        section.problem(key, node.line, format!("found {}{hint}", node.describe()));
    }
    found
}

fn at(file: &Path, message: impl Into<String>) -> Problem {
    Problem {
        file: Some(file.to_owned()),
        line: None,
        path: String::new(),
        message: message.into(),
    }
}

fn find_files(path: &Path, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let result = if path.is_file() {
        files.push(path.to_owned());
        return;
    } else {
        fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
    };
    match result {
        Ok(entries) => {
            for entry in entries {
                // `..data` of a mounted ConfigMap, an editor's swap file: not the user's conf.
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let path = entry.path();
                let yaml = path.extension().is_some_and(|ending| {
                    ending.eq_ignore_ascii_case("yml") || ending.eq_ignore_ascii_case("yaml")
                });
                if path.is_dir() || (yaml && path.is_file()) {
                    find_files(&path, files, problems);
                }
            }
        }
        Err(error) => problems.push(at(path, format!("the directory cannot be read: {error}"))),
    }
}
