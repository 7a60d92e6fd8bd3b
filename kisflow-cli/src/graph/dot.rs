//! The flows in DOT, for Graphviz.

use kisflow_core::Mode;

use super::{
    label::{heading, label, visible},
    model::{Edge, Kind, Node, Picture, Way},
};

const HEAD: &str = "\
digraph flows {
    fontname=\"sans-serif\"
    node [fontname=\"sans-serif\", fontsize=12, height=0.45]
    edge [fontname=\"sans-serif\", fontsize=10]
";

/// Within a flow that does not run.
const GREY: &str = "
        fontcolor=gray50
        node [color=gray65, fontcolor=gray50]
        edge [color=gray65, fontcolor=gray50]";

/// One cluster for each flow.
pub(super) fn render(pictures: &[Picture<'_>]) -> String {
    let mut text = HEAD.to_owned();
    for (flow, picture) in pictures.iter().enumerate() {
        let title = heading(picture, escape);
        let grey = if picture.enabled { "" } else { GREY };
        text += &format!(
            "    subgraph cluster_{flow} {{\n        label=\"{title}\"\n        color=gray65{grey}\n"
        );
        for node in &picture.nodes {
            text += &format!("        {}\n", declare(flow, node));
        }
        for edge in &picture.edges {
            text += &format!("        {}\n", arrow(flow, *edge));
        }
        for connector in picture.nodes.iter().filter(|node| node.is_connector()) {
            if let Some(user) = picture.users(connector.id).next() {
                let (user, connector) = (id(flow, user), id(flow, connector.id));
                text += &format!("        {{ rank=same; {user}; {connector} }}\n");
            }
        }
        text += "    }\n";
    }
    text + "}\n"
}

fn declare(flow: usize, node: &Node<'_>) -> String {
    let shape = match node.kind {
        Kind::Source { .. } => "box, style=rounded",
        Kind::Connector { .. } => "cylinder",
        Kind::Function { mode: Mode::Verify } => "hexagon",
        Kind::Function { mode: Mode::Save | Mode::Load } => "box, peripheries=2",
        Kind::Function { mode: Mode::Calculate } => "box",
        Kind::Function { mode: Mode::Expand } => "parallelogram",
    };
    format!("{} [label=\"{}\", shape={shape}]", id(flow, node.id), label(node, escape))
}

fn arrow(flow: usize, edge: Edge) -> String {
    // Only the chain says what stands below what; connectors stand beside their first user.
    let style = match edge.kind {
        Way::Next => "",
        Way::Jump => " [label=\" jump\", style=dashed, constraint=false]",
        Way::Save | Way::Load => " [constraint=false]",
        Way::Use => " [dir=none, constraint=false]",
    };
    format!("{} -> {}{style}", id(flow, edge.from), id(flow, edge.to))
}

fn id(flow: usize, node: usize) -> String {
    format!("f{flow}n{node}")
}

/// A label reads `\N` as the node's name, and `&lt;` as `<`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text) {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '&' => escaped += "&amp;",
            _ => escaped.push(c),
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
        let check = |line: &str| {
            let lines = text.lines().filter(|have| have.trim() == line).count();
            assert_eq!(lines, 1, "{line} in {text}");
        };
        check("label=\"Rich (disabled)\"");
        check("node [color=gray65, fontcolor=gray50]");
        check("f0n0 [label=\"orders (file)\", shape=box, style=rounded]");
        check("f0n1 [label=\"Check\", shape=hexagon]");
        check("f0n2 [label=\"Save\", shape=box, peripheries=2]");
        check("f0n3 [label=\"Load\", shape=box, peripheries=2]");
        check("f0n4 [label=\"Twice\", shape=box]");
        check("f0n5 [label=\"Send\", shape=parallelogram]");
        check("f0n6 [label=\"Twice\", shape=box]");
        check("f0n7 [label=\"Cache (memory)\", shape=cylinder]");
        check("f0n0 -> f0n1");
        check("f0n1 -> f0n6 [label=\" jump\", style=dashed, constraint=false]");
        check("f0n2 -> f0n7 [constraint=false]");
        check("f0n7 -> f0n3 [constraint=false]");
        check("f0n5 -> f0n8 [dir=none, constraint=false]");
        check("{ rank=same; f0n2; f0n7 }");
        check("{ rank=same; f0n5; f0n8 }");
    }

    #[test]
    fn a_flow_that_runs_is_not_grey() {
        let (mut conf, connectors_of) = rich("Rich");
        conf.flows.values_mut().for_each(|flow| flow.status = kisflow_core::Status::Enabled);
        let text = render(&[Picture::new(&conf, &connectors_of, &conf.flows["Rich"])]);
        assert!(!text.contains("fontcolor") && !text.contains("disabled"), "{text}");
    }

    #[test]
    fn a_name_stays_within_its_quotes() {
        let check = |name: &str, expect: &str| assert_eq!(escape(name), expect);
        check("a\"]; b -> c", "a\\\"]; b -> c");
        check("\\N \\", "\\\\N \\\\");
        check("<b>&lt;", "<b>&amp;lt;");
        check("a\nb\0c", "a b c");
    }
}
