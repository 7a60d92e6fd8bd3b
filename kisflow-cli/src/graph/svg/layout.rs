//! Where everything stands: flows below each other, each chain from top to bottom, its connectors
//! at the right, its jumps at the left. Nothing overlaps, however long the chain is.

use super::{
    jumps::{End, Route, routes},
    shape::{Area, Shape, Short, open},
    text,
};
use crate::graph::{
    label::heading,
    model::{Edge, Kind, Node, Picture, Way},
};

/// Sizes of text.
pub(super) const TITLE: f64 = 16.0;
pub(super) const NAME: f64 = 14.0;
pub(super) const DETAIL: f64 = 11.0;

/// Around and between cards, and within them.
const MARGIN: f64 = 16.0;
pub(super) const PADDING: f64 = 24.0;
/// From the top of a card to its first row.
const HEAD: f64 = 58.0;
const BOX_HEIGHT: f64 = 50.0;
const ROW: f64 = BOX_HEIGHT + 32.0;
const CYLINDER_HEIGHT: f64 = 62.0;
const CYLINDER_GAP: f64 = 16.0;
/// Between the chain and the connectors, for their lines.
const GAP: f64 = 88.0;
const LANE: f64 = 26.0;
/// What lines that share a side keep between them.
const PORT: f64 = 13.0;
/// How round the corners of a jump are.
const BEND: f64 = 8.0;

/// All flows.
pub(super) struct Sheet<'a> {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) cards: Vec<Card<'a>>,
}

/// A flow.
pub(super) struct Card<'a> {
    pub(super) picture: &'a Picture<'a>,
    pub(super) area: Area,
    /// Of each node, by its place.
    pub(super) nodes: Vec<Area>,
    pub(super) jumps: Vec<Jump>,
    /// Lines of connectors, as `d` of a path.
    pub(super) lines: Vec<(Edge, String)>,
}

/// The line of a jump.
pub(super) struct Jump {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) path: String,
    /// Where the middle of its label is, if there is room for one.
    pub(super) label: Option<(f64, f64)>,
}

/// The second line on a node.
pub(super) fn detail(node: &Node<'_>) -> String {
    match node.kind {
        Kind::Source { engine } => format!("{engine} source"),
        Kind::Function { mode } => mode.as_str().to_owned(),
        Kind::Connector { engine } => engine.to_owned(),
    }
}

impl<'a> Sheet<'a> {
    pub(super) fn new(pictures: &'a [Picture<'a>]) -> Self {
        let columns = Columns::new(pictures);
        let mut top = MARGIN;
        let mut cards = Vec::new();
        for picture in pictures {
            let card = columns.card(picture, top);
            top = card.area.bottom() + MARGIN;
            cards.push(card);
        }
        Self { width: columns.width() + 2.0 * MARGIN, height: top, cards }
    }
}

/// The columns, which all flows share.
#[derive(Default)]
struct Columns {
    jumps: f64,
    chain: f64,
    gap: f64,
    connectors: f64,
    /// What the headings need.
    heading: f64,
}

impl Columns {
    fn new(pictures: &[Picture<'_>]) -> Self {
        let mut columns = Self::default();
        for picture in pictures {
            let lanes = routes(&jumps(picture)).iter().map(|route| route.lane + 1).max();
            columns.jumps = columns.jumps.max(LANE * count(lanes.unwrap_or(0)));
            columns.heading = columns
                .heading
                .max(text::width(&heading(picture, |name| text::shorten(name, TITLE)), TITLE));
            for node in &picture.nodes {
                let width = width(node);
                if node.is_connector() {
                    columns.gap = GAP;
                    columns.connectors = columns.connectors.max(width);
                } else {
                    columns.chain = columns.chain.max(width);
                }
            }
        }
        columns
    }

    fn width(&self) -> f64 {
        let columns = self.jumps + self.chain + self.gap + self.connectors;
        columns.max(self.heading) + 2.0 * PADDING
    }

    fn card<'a>(&self, picture: &'a Picture<'a>, top: f64) -> Card<'a> {
        let nodes = self.nodes(picture, top + HEAD);
        let bottom = nodes.iter().map(|area| area.bottom()).fold(top + HEAD, f64::max);
        let height = bottom + PADDING - top;
        Card {
            picture,
            area: Area { left: MARGIN, top, width: self.width(), height },
            jumps: self.jumps(picture, &nodes),
            lines: lines(picture, &nodes),
            nodes,
        }
    }

    fn nodes(&self, picture: &Picture<'_>, top: f64) -> Vec<Area> {
        let left = MARGIN + PADDING + self.jumps;
        let rows = picture.column().count();
        let row =
            |row| Area { left, top: top + ROW * count(row), width: self.chain, height: BOX_HEIGHT };
        let mut nodes: Vec<Area> = (0..rows).map(row).collect();
        nodes.extend(self.cylinders(picture, &nodes));
        nodes
    }

    /// Each connector stands beside its users, as far as there is room.
    fn cylinders(&self, picture: &Picture<'_>, rows: &[Area]) -> Vec<Area> {
        let connectors = picture.nodes.iter().filter(|node| node.is_connector());
        let wanted = |id: usize| {
            let users: Vec<usize> = picture.users(id).collect();
            let centers = users.iter().filter_map(|user| rows.get(*user)).map(|area| area.center());
            centers.sum::<f64>() / count(users.len().max(1)) - CYLINDER_HEIGHT / 2.0
        };
        let mut places: Vec<(usize, f64)> =
            connectors.map(|node| (node.id, wanted(node.id))).collect();
        places.sort_by(|one, other| one.1.total_cmp(&other.1));
        let mut free = f64::MIN;
        for (_, top) in &mut places {
            *top = top.max(free);
            free = *top + CYLINDER_HEIGHT + CYLINDER_GAP;
        }
        places.sort_by_key(|(id, _)| *id);
        let left = MARGIN + PADDING + self.jumps + self.chain + self.gap;
        let area = |(_, top)| Area { left, top, width: self.connectors, height: CYLINDER_HEIGHT };
        places.into_iter().map(area).collect()
    }

    fn jumps(&self, picture: &Picture<'_>, nodes: &[Area]) -> Vec<Jump> {
        let left = MARGIN + PADDING + self.jumps;
        let routes = routes(&jumps(picture));
        routes.iter().filter_map(|route| jump(picture, nodes, route, left)).collect()
    }
}

fn jump(picture: &Picture<'_>, nodes: &[Area], route: &Route, left: f64) -> Option<Jump> {
    let lane = left - LANE * (count(route.lane) + 0.7);
    let meet = |end: End| {
        let (node, area) = (picture.nodes.get(end.row)?, *nodes.get(end.row)?);
        let down = spread(end.port, end.ports);
        let inset = Shape::of(node.kind).inset_left(area, down / (area.height / 2.0));
        Some((area.left + inset, area.center() + down))
    };
    let (from, to) = (meet(route.from)?, meet(route.to)?);
    let points = [from, (lane, from.1), (lane, to.1), to];
    let path = open(&points, BEND);
    let has_room = (from.1 - to.1).abs() > text::width("jump", DETAIL);
    let label = has_room.then_some((lane, (from.1 + to.1) / 2.0));
    Some(Jump { from: route.from.row, to: route.to.row, path, label })
}

/// The lines between functions and connectors, each with a place of its own at the connector.
fn lines(picture: &Picture<'_>, nodes: &[Area]) -> Vec<(Edge, String)> {
    let line = |edge: &Edge| {
        let (function, connector) = match edge.kind {
            Way::Next | Way::Jump => return None,
            Way::Save | Way::Use => (edge.from, edge.to),
            Way::Load => (edge.to, edge.from),
        };
        let (from, to) = (nodes.get(function)?, nodes.get(connector)?);
        let inset = Shape::of(picture.nodes.get(function)?.kind).inset_right();
        let users: Vec<usize> = picture.users(connector).collect();
        let port = users.iter().position(|user| *user == function)?;
        let start = (from.right() - inset, from.center());
        let end = (to.left, to.center() + spread(port, users.len()));
        let (start, end) = if edge.kind == Way::Load { (end, start) } else { (start, end) };
        Some((*edge, curve(start, end)))
    };
    picture.edges.iter().filter_map(line).collect()
}

/// A curve that leaves and arrives horizontally.
fn curve(start: (f64, f64), end: (f64, f64)) -> String {
    let half = (start.0 + end.0) / 2.0;
    format!(
        "M{} {}C{half} {} {half} {} {} {}",
        Short(start.0),
        Short(start.1),
        Short(start.1),
        Short(end.1),
        Short(end.0),
        Short(end.1),
        half = Short(half),
    )
}

/// How far from the centre of a side something meets it, of several that do.
fn spread(port: usize, ports: usize) -> f64 {
    let step = PORT.min(0.8 * BOX_HEIGHT / count(ports.max(1)));
    (count(port) - (count(ports) - 1.0) / 2.0) * step
}

fn jumps(picture: &Picture<'_>) -> Vec<(usize, usize)> {
    let jumps = picture.edges.iter().filter(|edge| edge.kind == Way::Jump);
    jumps.map(|edge| (edge.from, edge.to)).collect()
}

/// How wide a node must be for its text.
fn width(node: &Node<'_>) -> f64 {
    let name = text::width(&text::shorten(node.name, NAME), NAME);
    let detail = text::width(&text::shorten(&detail(node), DETAIL), DETAIL);
    name.max(detail) + 2.0 * Shape::of(node.kind).margin()
}

/// Nobody has so many rows that this is not exact.
fn count(number: usize) -> f64 {
    number as f64
}
