//! Text in a picture: how wide it may become, how it is shortened, how it is written in XML.

use crate::graph::label::visible;

/// The widest that a line of text may be; beyond it the tooltip has the rest.
pub(super) const WIDEST: f64 = 300.0;

/// How wide the text is at most. Nobody knows the font that it will be shown in: the numbers are
/// those of wide bold ones (Verdana, DejaVu Sans), so that others leave some room.
pub(super) fn width(text: &str, size: f64) -> f64 {
    visible(text).map(|c| advance(c) * size).sum()
}

/// The text, or as much of it as is not too wide, and `…`.
pub(super) fn shorten(text: &str, size: f64) -> String {
    if width(text, size) <= WIDEST {
        return visible(text).collect();
    }
    let mut room = WIDEST - advance('…') * size;
    let fits = |c: &char| {
        room -= advance(*c) * size;
        room >= 0.0
    };
    visible(text).take_while(fits).chain(['…']).collect()
}

/// Text between tags.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text) {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            _ => escaped.push(c),
        }
    }
    escaped
}

/// How far a character moves the pen, of the font's size.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'f' | 't' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '!' | '\''
        | '|' | '/' | '\\' | '(' | ')' | '[' | ']' | '-' => 0.5,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 1.1,
        'A'..='Z' | '#' | '&' | '+' | '<' | '=' | '>' | '^' | '~' => 0.88,
        c if c.is_ascii() => 0.72,
        _ => 1.15,
    }
}

#[cfg(test)]
mod tests {
    use super::{WIDEST, escape, shorten, width};

    #[test]
    fn text_that_is_too_wide_is_shortened_until_it_fits() {
        let check = |text: &str, shortened: bool| {
            let short = shorten(text, 14.0);
            assert!(width(&short, 14.0) <= WIDEST, "{short}");
            assert_eq!(short.ends_with('…'), shortened, "{short}");
        };
        check("PrintStuAvgScore", false);
        check(&"W".repeat(19), false);
        check(&"W".repeat(20), true);
        check(&"i".repeat(42), false);
        check(&"i".repeat(43), true);
        check(&"平".repeat(60), true);
        check("", false);
    }

    #[test]
    fn no_name_is_read_as_xml() {
        let check = |text: &str, expect: &str| assert_eq!(escape(text), expect);
        check("</text><script>&", "&lt;/text&gt;&lt;script&gt;&amp;");
        check("]]>", "]]&gt;");
        check("a\0b\u{1b}c\u{ffff}", "a b c ");
        check("\"été\" 平均 🍵", "\"été\" 平均 🍵");
    }
}
