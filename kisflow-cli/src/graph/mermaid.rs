//! The flows in Mermaid, which GitHub, GitLab and many editors draw within Markdown.

use kisflow_core::Mode;

use super::{
    label::{heading, label, visible},
    model::{Edge, Kind, Node, Picture, Way},
};

/// One subgraph for each flow, below each other; the chain of each leads down.
pub(super) fn render(pictures: &[Picture<'_>]) -> String {
    let mut text = "flowchart TB\n".to_owned();
    for (flow, picture) in pictures.iter().enumerate() {
        let title = heading(picture, escape);
        text += &format!("    subgraph f{flow}[\"{title}\"]\n        direction TB\n");
        for node in &picture.nodes {
            text += &format!("        {}\n", declare(flow, node));
        }
        for edge in &picture.edges {
            text += &format!("        {}\n", arrow(flow, *edge));
        }
        text += "    end\n";
    }
    // Without a link, flows would stand beside each other in any order.
    let below = (1..pictures.len()).map(|flow| format!("    f{} ~~~ f{flow}\n", flow - 1));
    text.extend(below);
    text + &disabled(pictures)
}

/// The shapes of those flows that do not run, in grey.
fn disabled(pictures: &[Picture<'_>]) -> String {
    let mut lines = String::new();
    for (flow, picture) in pictures.iter().enumerate().filter(|(_, picture)| !picture.enabled) {
        let nodes: String =
            picture.nodes.iter().map(|node| format!(",{}", id(flow, node.id))).collect();
        lines += &format!("    class f{flow}{nodes} disabled\n");
    }
    if !lines.is_empty() {
        lines += "    classDef disabled fill:#eeeeee,stroke:#aaaaaa,color:#777777\n";
    }
    lines
}

fn declare(flow: usize, node: &Node<'_>) -> String {
    let (open, close) = match node.kind {
        Kind::Source { .. } => ("([", "])"),
        Kind::Connector { .. } => ("[(", ")]"),
        Kind::Function { mode: Mode::Verify } => ("{{", "}}"),
        Kind::Function { mode: Mode::Save | Mode::Load } => ("[[", "]]"),
        Kind::Function { mode: Mode::Calculate } => ("[", "]"),
        Kind::Function { mode: Mode::Expand } => ("[/", "/]"),
    };
    format!("{}{open}\"{}\"{close}", id(flow, node.id), label(node, escape))
}

fn arrow(flow: usize, edge: Edge) -> String {
    let arrow = match edge.kind {
        Way::Next | Way::Save | Way::Load => "-->",
        Way::Jump => "-.->|jump|",
        Way::Use => "---",
    };
    format!("{} {arrow} {}", id(flow, edge.from), id(flow, edge.to))
}

fn id(flow: usize, node: usize) -> String {
    format!("f{flow}n{node}")
}

/// Mermaid reads quotes, its own entities, HTML, Markdown, icons and links out of a label, so that
/// only letters, digits and blanks are themselves; `_` and `-` are too within a word, where most
/// names have them.
fn escape(text: &str) -> String {
    let chars: Vec<char> = visible(text).collect();
    let is_word =
        |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in chars.iter().copied().enumerate() {
        let within = matches!(c, '_' | '-') && is_word(at.checked_sub(1)) && is_word(Some(at + 1));
        if c.is_alphanumeric() || c == ' ' || within {
            escaped.push(c);
        } else {
            escaped += &format!("#{};", u32::from(c));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{super::model::tests::rich, Picture, escape, render};

    #[test]
    fn every_part_of_a_flow_has_its_shape_and_its_arrow() {
        let (conf, connectors_of) = rich("Rich");
        let text = render(&[Picture::new(&conf, &connectors_of, &conf.flows["Rich"])]);
        let expect = "\
flowchart TB
    subgraph f0[\"Rich (disabled)\"]
        direction TB
        f0n0([\"orders (file)\"])
        f0n1{{\"Check\"}}
        f0n2[[\"Save\"]]
        f0n3[[\"Load\"]]
        f0n4[\"Twice\"]
        f0n5[/\"Send\"/]
        f0n6[\"Twice\"]
        f0n7[(\"Cache (memory)\")]
        f0n8[(\"Mail (smtp)\")]
        f0n0 --> f0n1
        f0n1 --> f0n2
        f0n2 --> f0n3
        f0n3 --> f0n4
        f0n4 --> f0n5
        f0n5 --> f0n6
        f0n1 -.->|jump| f0n6
        f0n3 -.->|jump| f0n3
        f0n5 -.->|jump| f0n1
        f0n2 --> f0n7
        f0n7 --> f0n3
        f0n5 --- f0n8
    end
    class f0,f0n0,f0n1,f0n2,f0n3,f0n4,f0n5,f0n6,f0n7,f0n8 disabled
    classDef disabled fill:#eeeeee,stroke:#aaaaaa,color:#777777
";
        assert_eq!(text, expect);
    }

    #[test]
    fn each_flow_stands_below_the_one_before_it() {
        let (conf, connectors_of) = rich("Rich");
        let picture = || Picture::new(&conf, &connectors_of, &conf.flows["Rich"]);
        let text = render(&[picture(), picture(), picture()]);
        let below: Vec<&str> = text.lines().filter(|line| line.contains("~~~")).collect();
        assert_eq!(below, ["    f0 ~~~ f1", "    f1 ~~~ f2"]);
    }

    #[test]
    fn no_name_is_read_as_mermaid_markdown_or_html() {
        let check = |name: &str, expect: &str| assert_eq!(escape(name), expect);
        check("AvgStuScore 1", "AvgStuScore 1");
        check("load_avg-12", "load_avg-12");
        check("été 平均", "été 平均");
        check(r#"a"]b"#, "a#34;#93;b");
        check("#quot;", "#35;quot#59;");
        check("<b>&amp;", "#60;b#62;#38;amp#59;");
        check("__x__ `y`", "#95;#95;x#95;#95; #96;y#96;");
        check("- one", "#45; one");
        check("1. one", "1#46; one");
        check("fa:fa-x", "fa#58;fa-x");
        check("%%{init}%%", "#37;#37;#123;init#125;#37;#37;");
        check("a\nb\0c", "a b c");
        check("ﬂ°°34¶ß", "ﬂ#176;#176;34#182;ß");
    }
}
