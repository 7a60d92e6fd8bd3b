//! The flows as an SVG that is good to look at on a light page and on a dark one.

mod jumps;
mod layout;
mod shape;
mod text;

use kisflow_core::Mode;

use self::{
    layout::{Card, DETAIL, Jump, NAME, PADDING, Sheet, TITLE, detail},
    shape::{Area, Shape, Short},
    text::{escape, shorten},
};
use super::model::{Edge, Kind, Node, Picture, Way};

/// Colours and type; those of a dark page where the reader prefers one.
const STYLE: &str = include_str!("style.css");

/// The tip of an arrow, for each colour that lines have.
const TIPS: [&str; 3] = ["tip", "store-tip", "jump-tip"];

/// One card for each flow, below each other.
pub(super) fn render(pictures: &[Picture<'_>]) -> String {
    let sheet = Sheet::new(pictures);
    let (width, height) = (Short(sheet.width), Short(sheet.height));
    let title: Vec<String> = pictures.iter().map(|picture| escape(picture.flow)).collect();
    let title = title.join(", ");
    let tips: String = TIPS.iter().map(|class| tip(class)).collect();
    let cards: String = sheet.cards.iter().map(card).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"kisflow\" role=\"img\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <title>{title}</title>\n\
         <style>\n{STYLE}</style>\n\
         <defs>\n{tips}</defs>\n\
         <rect class=\"sheet\" width=\"{width}\" height=\"{height}\" rx=\"12\"/>\n\
         {cards}</svg>\n"
    )
}

fn tip(class: &str) -> String {
    format!(
        "<marker id=\"kisflow-{class}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
         markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
         <polygon class=\"{class}\" points=\"0,1 9.5,5 0,9\"/></marker>\n"
    )
}

fn card(card: &Card<'_>) -> String {
    let Area { left, top, width, height } = card.area;
    let picture = card.picture;
    let (class, aside) = match picture.enabled {
        true => ("", ""),
        false => (" class=\"disabled\"", "<tspan class=\"aside\" dx=\"8\">disabled</tspan>"),
    };
    let drawn: [String; 4] = [
        card.lines.iter().map(|(edge, path)| store_line(*edge, path)).collect(),
        picture.edges.iter().filter_map(|edge| next(*edge, &card.nodes)).collect(),
        card.jumps.iter().map(|one| jump(picture, one)).collect(),
        picture.nodes.iter().zip(&card.nodes).map(|(one, area)| node(one, *area)).collect(),
    ];
    format!(
        "<g><title>{name}</title>\n\
         <rect class=\"card\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"10\"/>\n\
         <text class=\"title\" x=\"{x}\" y=\"{y}\">{title}{aside}</text>\n\
         <g{class}>\n{drawn}</g>\n</g>\n",
        name = escape(picture.flow),
        left = Short(left),
        top = Short(top),
        width = Short(width),
        height = Short(height),
        x = Short(left + PADDING),
        y = Short(top + 34.0),
        title = escape(&shorten(picture.flow, TITLE)),
        drawn = drawn.concat(),
    )
}

/// From the bottom of a box to the top of the next one.
fn next(edge: Edge, nodes: &[Area]) -> Option<String> {
    if edge.kind != Way::Next {
        return None;
    }
    let (from, to) = (nodes.get(edge.from)?, nodes.get(edge.to)?);
    let x = Short(from.middle());
    let path = format!("M{x} {}V{}", Short(from.bottom()), Short(to.top));
    Some(format!("<path class=\"line\" d=\"{path}\" marker-end=\"url(#kisflow-tip)\"/>\n"))
}

fn store_line(edge: Edge, path: &str) -> String {
    let tip = match edge.kind {
        Way::Use => "",
        _ => " marker-end=\"url(#kisflow-store-tip)\"",
    };
    format!("<path class=\"store-line\" d=\"{path}\"{tip}/>\n")
}

fn jump(picture: &Picture<'_>, jump: &Jump) -> String {
    let name = |id| picture.nodes.get(id).map_or("", |node: &Node<'_>| node.name);
    let tooltip = escape(&format!("jump: {} ⇢ {}", name(jump.from), name(jump.to)));
    let label = jump.label.map(|(x, y)| {
        let place = format!("translate({} {}) rotate(-90)", Short(x), Short(y));
        format!("<text class=\"label\" transform=\"{place}\" y=\"4\">jump</text>")
    });
    format!(
        "<g><title>{tooltip}</title><path class=\"jump\" d=\"{path}\" \
         marker-end=\"url(#kisflow-jump-tip)\"/>{label}</g>\n",
        path = jump.path,
        label = label.unwrap_or_default()
    )
}

fn node(node: &Node<'_>, area: Area) -> String {
    let shape = Shape::of(node.kind);
    let class = match node.kind {
        Kind::Source { .. } => "source",
        Kind::Connector { .. } | Kind::Function { mode: Mode::Save | Mode::Load } => "store",
        Kind::Function { mode: Mode::Verify } => "verify",
        Kind::Function { mode: Mode::Calculate } => "calculate",
        Kind::Function { mode: Mode::Expand } => "expand",
    };
    let detail = detail(node);
    let center = area.center() + shape.drop();
    format!(
        "<g class=\"{class}\"><title>{tooltip}</title><path d=\"{outline}\"/>\
         <text class=\"name\" x=\"{x}\" y=\"{name_y}\">{name}</text>\
         <text class=\"detail\" x=\"{x}\" y=\"{detail_y}\">{detail}</text></g>\n",
        tooltip = escape(&format!("{} ({detail})", node.name)),
        outline = shape.outline(area),
        x = Short(area.middle()),
        name_y = Short(center - 2.0),
        detail_y = Short(center + 14.0),
        name = escape(&shorten(node.name, NAME)),
        detail = escape(&shorten(&detail, DETAIL)),
    )
}

#[cfg(test)]
mod tests {
    use super::{
        super::model::tests::rich, Area, DETAIL, NAME, Picture, STYLE, Shape, Sheet, TITLE, detail,
        render, shorten, text::width,
    };

    const NAMES: [&str; 5] = [
        "Rich",
        "a flow with a name that goes on and on, longer than anybody would ever read it",
        "</text><script>alert(1)</script>&amp;\"'",
        "平均值平均值平均值平均值平均值平均值平均值",
        "WWWWWWWWWWWWWWWWWWWW\0\u{1b}",
    ];

    /// Looks at a flow of this name, whose nodes all have it as well.
    fn check(name: &str, look: impl Fn(&Sheet<'_>)) {
        let (conf, mut connectors_of) = rich(name);
        // Both connectors have their users around the same row.
        connectors_of.insert("Check".to_owned(), vec!["Mail".to_owned()]);
        let mut picture = Picture::new(&conf, &connectors_of, &conf.flows[name]);
        picture.nodes.iter_mut().for_each(|node| node.name = name);
        let pictures = [picture];
        look(&Sheet::new(&pictures));
    }

    #[test]
    fn text_fits_into_its_box() {
        for name in NAMES {
            check(name, |sheet| {
                let card = &sheet.cards[0];
                for (node, area) in card.picture.nodes.iter().zip(&card.nodes) {
                    let widest = width(&shorten(node.name, NAME), NAME)
                        .max(width(&shorten(&detail(node), DETAIL), DETAIL));
                    let room = area.width - 2.0 * Shape::of(node.kind).margin();
                    assert!(widest <= room + 0.01, "{}: {widest} in {room}", node.name);
                }
                let title = width(&shorten(name, TITLE), TITLE);
                assert!(title < card.area.width, "{name}: {title} in {}", card.area.width);
            });
        }
    }

    #[test]
    fn no_box_overlaps_another_or_leaves_its_card() {
        let apart = |one: &Area, other: &Area| {
            one.right() <= other.left
                || other.right() <= one.left
                || one.bottom() <= other.top
                || other.bottom() <= one.top
        };
        for name in NAMES {
            check(name, |sheet| {
                let card = &sheet.cards[0];
                for (at, one) in card.nodes.iter().enumerate() {
                    assert!(card.nodes[..at].iter().all(|other| apart(one, other)), "{one:?}");
                    assert!(one.left > card.area.left && one.right() < card.area.right());
                    assert!(one.top > card.area.top && one.bottom() < card.area.bottom());
                }
                assert!(card.area.right() < sheet.width && card.area.bottom() < sheet.height);
            });
        }
    }

    #[test]
    fn jumps_run_between_the_edge_of_the_card_and_the_chain() {
        check("Rich", |sheet| {
            let card = &sheet.cards[0];
            assert_eq!(card.jumps.len(), 3);
            for (x, _) in card.jumps.iter().filter_map(|jump| jump.label) {
                assert!(card.area.left < x && x < card.nodes[0].left, "{x}");
            }
        });
    }

    #[test]
    fn the_style_has_the_sizes_that_text_is_measured_with() {
        for (class, size) in [("title", TITLE), ("name", NAME), ("detail", DETAIL)] {
            let rule = format!(".kisflow .{class} {{ font-size: {size}px;");
            assert!(STYLE.contains(&rule), "{rule}");
        }
    }

    #[test]
    fn every_tag_is_closed_whatever_the_names_are() {
        for name in NAMES {
            let (conf, connectors_of) = rich(name);
            let svg = render(&[Picture::new(&conf, &connectors_of, &conf.flows[name])]);
            let mut open = Vec::new();
            for tag in svg.split('<').skip(1) {
                let (tag, _) = tag.split_once('>').unwrap();
                match tag.strip_prefix('/') {
                    Some(closed) => assert_eq!(open.pop(), Some(closed), "{svg}"),
                    None if tag.ends_with('/') => {}
                    None => open.extend(tag.split(' ').next()),
                }
            }
            assert!(open.is_empty(), "{open:?}");
            assert!(!svg.contains("<script") && !svg.contains('\0'), "{svg}");
        }
    }

    #[test]
    fn only_a_flow_that_does_not_run_is_grey() {
        let (mut conf, connectors_of) = rich("Rich");
        let mut check = |status, grey| {
            conf.flows.values_mut().for_each(|flow| flow.status = status);
            let svg = render(&[Picture::new(&conf, &connectors_of, &conf.flows["Rich"])]);
            assert_eq!(svg.contains("class=\"disabled\""), grey);
            assert_eq!(svg.contains(">disabled<"), grey);
        };
        check(kisflow_core::Status::Disabled, true);
        check(kisflow_core::Status::Enabled, false);
    }
}
