//! Names that cargo takes for a package with a program of that name.

/// Words of Rust; a crate of such a name cannot be named in code.
const KEYWORDS: [&str; 53] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "Self", "self", "static", "struct", "super", "trait", "true", "try", "type",
    "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "_",
];

/// Directories of `target/`, the crates of Rust itself, and what the program depends on.
const TAKEN: [&str; 12] = [
    "alloc",
    "build",
    "core",
    "deps",
    "examples",
    "incremental",
    "kisflow",
    "proc_macro",
    "serde",
    "std",
    "test",
    "tokio",
];

/// Says why a name will not do.
pub(super) fn check(name: &str) -> Result<(), String> {
    let why = match name.chars().next() {
        None => "it is empty",
        Some(first) if !first.is_ascii_alphabetic() && first != '_' => {
            "it has to begin with a letter"
        }
        _ if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) => {
            "only letters, digits, `-` and `_` may be in it"
        }
        _ if KEYWORDS.contains(&name) => "it is a word of Rust",
        _ if TAKEN.contains(&name.replace('-', "_").as_str()) => {
            "it is taken, by Rust or by a crate that the program depends on"
        }
        _ => return Ok(()),
    };
    Err(format!("\"{name}\" cannot be the name of a program: {why}"))
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(name: &str, why: &str) {
        let answer = super::check(name).err().unwrap_or_default();
        assert!(answer.ends_with(why) && answer.is_empty() == why.is_empty(), "{name}: {answer}");
    }

    #[test]
    fn names_that_cargo_takes_are_taken() {
        for name in ["shop", "web-shop", "shop_2", "_shop", "Shop", "r"] {
            check(name, "");
        }
    }

    #[test]
    fn other_names_are_refused_with_the_reason() {
        check("", "it is empty");
        check("2shop", "it has to begin with a letter");
        check("-shop", "it has to begin with a letter");
        check("my shop", "only letters, digits, `-` and `_` may be in it");
        check("a/b", "only letters, digits, `-` and `_` may be in it");
        check("größe", "only letters, digits, `-` and `_` may be in it");
        check("fn", "it is a word of Rust");
        check("test", "it is taken, by Rust or by a crate that the program depends on");
        check("proc-macro", "it is taken, by Rust or by a crate that the program depends on");
        check("kisflow", "it is taken, by Rust or by a crate that the program depends on");
    }
}
