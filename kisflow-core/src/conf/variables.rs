//! `${NAME}` and `${NAME:-default}` in the values of conf files.

use std::env::VarError;

use super::{
    node::{Kind, Node, Written},
    params::is_secret,
    scalar::Scalar,
};

/// Where variables are looked up.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Result<String, VarError>;

/// A missing value.
pub(super) struct Unset {
    pub(super) line: u64,
    /// The path of the key.
    pub(super) path: String,
    pub(super) message: String,
    /// Whether it is a secret that is not set: only what connects needs it.
    pub(super) only_to_connect: bool,
}

/// What of a test is rows, in which a `$` is a dollar.
const ROWS: [&str; 2] = ["given", "expect"];

/// Puts variables into every value of a document, rows excepted.
pub(super) fn put_in(top: &mut Node, lookup: Lookup<'_>, unset: &mut Vec<Unset>) {
    let Kind::Map(fields) = &mut top.kind else { return };
    let kistype = fields.iter().find(|(key, _)| key == "kistype");
    let test = kistype.is_some_and(|(_, node)| node.as_text() == Some("test"));
    for (key, node) in fields {
        if !(test && ROWS.contains(&key.as_str())) {
            let secret = is_secret(key);
            walk(node, key.clone(), secret, lookup, unset);
        }
    }
}

fn walk(node: &mut Node, path: String, secret: bool, lookup: Lookup<'_>, unset: &mut Vec<Unset>) {
    match &mut node.kind {
        Kind::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, format!("{path}[{index}]"), secret, lookup, unset);
            }
        }
        Kind::Map(fields) => {
            for (key, field) in fields {
                let secret = secret || is_secret(key);
                walk(field, format!("{path}.{key}"), secret, lookup, unset);
            }
        }
        Kind::Scalar(scalar) if scalar.text.contains('$') => match expand(&scalar.text, lookup) {
            Ok(Expanded { text, .. }) if text == scalar.text => {}
            Ok(Expanded { text, variables }) => {
                let source = std::mem::take(&mut scalar.text);
                *scalar = if node.plain { Scalar::plain(text) } else { Scalar::quoted(text) };
                if variables {
                    node.written = Some(Written { text: source, plain: node.plain });
                }
            }
            Err(fault) => {
                let only_to_connect = secret && fault.unset;
                let message = fault.message;
                unset.push(Unset { line: node.line, path, message, only_to_connect });
                if only_to_connect {
                    node.written = Some(Written { text: scalar.text.clone(), plain: node.plain });
                }
            }
        },
        Kind::Scalar(_) => {}
    }
}

struct Expanded {
    text: String,
    /// Whether there was one.
    variables: bool,
}

struct Fault {
    message: String,
    /// Whether everything is right but that a variable is not set.
    unset: bool,
}

fn expand(text: &str, lookup: Lookup<'_>) -> Result<Expanded, Fault> {
    let mut done = String::new();
    let mut variables = false;
    let mut missing: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        done.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            done.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (variable, after) = after.split_once('}').ok_or_else(|| malformed("has no `}`"))?;
            rest = after;
            variables = true;
            match value(variable, lookup)? {
                Ok(value) => done.push_str(&value),
                Err(message) => missing.push(message),
            }
        } else {
            done.push('$');
            rest = after;
        }
    }
    done.push_str(rest);
    if missing.is_empty() {
        return Ok(Expanded { text: done, variables });
    }
    missing.dedup();
    Err(Fault { message: missing.join("; "), unset: true })
}

/// The value of what stands between the braces, or why there is none.
fn value(variable: &str, lookup: Lookup<'_>) -> Result<Result<String, String>, Fault> {
    let (name, default) = match variable.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (variable, None),
    };
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(first) || !name.chars().all(|c| first(c) || c.is_ascii_digit()) {
        return Err(malformed(&format!(
            "has {variable:?} in its braces, which is no name of a variable"
        )));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(malformed("has another variable in its default"));
    }
    let default = default.map(|default| default.replace("$$", "$"));
    Ok(match (lookup(name), default) {
        (Ok(value), Some(default)) if value.is_empty() => Ok(default),
        (Ok(value), _) => Ok(value),
        (Err(VarError::NotPresent), Some(default)) => Ok(default),
        (Err(VarError::NotPresent), None) => Err(format!(
            "the environment variable `{name}` is not set; set it, or give a default: `${{{name}:-…}}`"
        )),
        (Err(VarError::NotUnicode(_)), _) => {
            Err(format!("the environment variable `{name}` is not UTF-8"))
        }
    })
}

fn malformed(why: &str) -> Fault {
    let message = format!(
        "a `${{` {why}; expected `${{NAME}}` or `${{NAME:-default}}`, and `$$` for a dollar"
    );
    Fault { message, unset: false }
}

/// The text that reads back as `text`: a dollar is doubled where it would not stand for itself.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (before, dollars) = rest.split_at(start);
        let after = dollars.trim_start_matches('$');
        let run = dollars.len() - after.len();
        let times = if run > 1 || after.starts_with('{') { 2 } else { 1 };
        escaped.push_str(before);
        escaped.push_str(&"$".repeat(run * times));
        rest = after;
    }
    escaped.push_str(rest);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Result<String, VarError> {
        match name {
            "HOST" => Ok("redis".to_owned()),
            "PORT" => Ok("6379".to_owned()),
            "EMPTY" => Ok(String::new()),
            "ODD" => Ok("a: [${HOST}, $$]\n- x".to_owned()),
            "BYTES" => Err(VarError::NotUnicode("hunter2".into())),
            _ => Err(VarError::NotPresent),
        }
    }

    #[test]
    fn variables_are_put_in_wherever_they_stand() {
        let check = |text: &str, expect: &str| {
            let expanded = expand(text, &lookup).map_err(|fault| fault.message).unwrap();
            assert_eq!(expanded.text, expect, "{text}");
        };
        check("${HOST}:${PORT},${HOST}2:${PORT}", "redis:6379,redis2:6379");
        check("${GONE:-localhost}:${PORT:-1}", "localhost:6379");
        check("${EMPTY:-x}${EMPTY}", "x");
        check("${GONE:-}", "");
        check("${GONE:-a:-b $$ c}", "a:-b $ c");
        check("$$", "$");
        check("$${HOST} $$$$ $HOST US$", "${HOST} $$ $HOST US$");
        check("$$${HOST}", "$redis");
        check("${ODD}", "a: [${HOST}, $$]\n- x");
    }

    #[test]
    fn what_is_no_variable_or_is_not_set_is_explained() {
        let check = |text: &str, expect: &str| {
            let fault = expand(text, &lookup).err().unwrap();
            assert!(fault.message.contains(expect), "{text}: {}", fault.message);
        };
        check("${GONE}", "`GONE` is not set");
        check("${GONE} and ${LOST}", "`LOST` is not set");
        check("${BYTES}", "`BYTES` is not UTF-8");
        check("a ${HOST", "has no `}`");
        check("${}", "has \"\" in its braces");
        check("${A-B}", "has \"A-B\" in its braces");
        check("${1A}", "has \"1A\" in its braces");
        check("${HOST:=x}", "has \"HOST:=x\" in its braces");
        check("${A:-${HOST}}", "has another variable in its default");
    }

    #[test]
    fn an_escaped_text_reads_back_the_same() {
        for text in ["$", "$$", "$$$", "${", "${HOST}", "$${HOST}", "US$ 5", "a$b$$c", "", "$$$${"]
        {
            let back = expand(&escape(text), &lookup).map_err(|fault| fault.message).unwrap();
            assert_eq!(back.text, text);
        }
    }
}
