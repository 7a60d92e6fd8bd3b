//! The shapes of nodes, as outlines in an area.

use kisflow_core::Mode;

use crate::graph::model::Kind;

/// How round corners are.
const RADIUS: f64 = 8.0;
/// How far slanted sides lean in.
const SLANT: f64 = 14.0;
/// How far the ends of a lying drum bulge.
const BULGE: f64 = 9.0;
/// Half the height of a cylinder's lid.
const LID: f64 = 8.0;

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    pub(super) fn right(self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(self) -> f64 {
        self.top + self.height
    }

    pub(super) fn middle(self) -> f64 {
        self.left + self.width / 2.0
    }

    pub(super) fn center(self) -> f64 {
        self.top + self.height / 2.0
    }
}

/// The shape of a node; each kind and mode has its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Pill,
    Hexagon,
    /// A cylinder that lies: what works with one that stands.
    Drum,
    Rectangle,
    Parallelogram,
    Cylinder,
}

impl Shape {
    pub(super) fn of(kind: Kind<'_>) -> Self {
        match kind {
            Kind::Source { .. } => Self::Pill,
            Kind::Connector { .. } => Self::Cylinder,
            Kind::Function { mode: Mode::Verify } => Self::Hexagon,
            Kind::Function { mode: Mode::Save | Mode::Load } => Self::Drum,
            Kind::Function { mode: Mode::Calculate } => Self::Rectangle,
            Kind::Function { mode: Mode::Expand } => Self::Parallelogram,
        }
    }

    /// The outline, as the `d` of a path.
    pub(super) fn outline(self, area: Area) -> String {
        let Area { left, top, width, height } = area;
        let (right, bottom, center) = (area.right(), area.bottom(), area.center());
        match self {
            Self::Rectangle => {
                closed(&[(left, top), (right, top), (right, bottom), (left, bottom)], RADIUS)
            }
            Self::Pill => {
                let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
                closed(&corners, height / 2.0)
            }
            Self::Hexagon => {
                let (inner, outer) = (left + SLANT, right - SLANT);
                let above = [(inner, top), (outer, top), (right, center)];
                let below = [(outer, bottom), (inner, bottom), (left, center)];
                closed(&[above, below].concat(), RADIUS / 2.0)
            }
            Self::Parallelogram => {
                let above = [(left + SLANT, top), (right, top)];
                let below = [(right - SLANT, bottom), (left, bottom)];
                closed(&[above, below].concat(), RADIUS)
            }
            Self::Drum => format!(
                "M{x1} {y1}H{x2}A{BULGE} {ry} 0 0 1 {x2} {y2}H{x1}A{BULGE} {ry} 0 0 1 {x1} {y1}Z\
                 M{x2} {y2}A{BULGE} {ry} 0 0 1 {x2} {y1}",
                x1 = Short(left + BULGE),
                x2 = Short(right - BULGE),
                y1 = Short(top),
                y2 = Short(bottom),
                ry = Short(height / 2.0),
            ),
            Self::Cylinder => format!(
                "M{x1} {y1}A{rx} {LID} 0 0 1 {x2} {y1}V{y2}A{rx} {LID} 0 0 1 {x1} {y2}Z\
                 M{x2} {y1}A{rx} {LID} 0 0 1 {x1} {y1}",
                x1 = Short(left),
                x2 = Short(right),
                y1 = Short(top + LID),
                y2 = Short(bottom - LID),
                rx = Short(width / 2.0),
            ),
        }
    }

    /// How far the left side lies within the area, `down` from its centre: -1 is the top, 1 the
    /// bottom.
    pub(super) fn inset_left(self, area: Area, down: f64) -> f64 {
        let round = |radius: f64| radius * (1.0 - (1.0 - down * down).max(0.0).sqrt());
        match self {
            Self::Rectangle | Self::Cylinder => 0.0,
            Self::Pill => round(area.height / 2.0),
            Self::Hexagon => SLANT * down.abs(),
            Self::Parallelogram => SLANT * (1.0 - down) / 2.0,
            Self::Drum => round(BULGE),
        }
    }

    /// How far the right side lies within the area, at its centre.
    pub(super) fn inset_right(self) -> f64 {
        match self {
            Self::Parallelogram => SLANT / 2.0,
            _ => 0.0,
        }
    }

    /// How far a line of text must stay away from each side.
    pub(super) fn margin(self) -> f64 {
        match self {
            Self::Rectangle | Self::Cylinder => 14.0,
            Self::Pill => 18.0,
            Self::Hexagon | Self::Parallelogram => SLANT + 10.0,
            Self::Drum => 2.0 * BULGE + 8.0,
        }
    }

    /// How far below the centre text stands, where something takes room above.
    pub(super) fn drop(self) -> f64 {
        match self {
            Self::Cylinder => LID / 2.0 + 1.0,
            _ => 0.0,
        }
    }
}

/// A line through points, with round corners.
pub(super) fn open(points: &[(f64, f64)], radius: f64) -> String {
    let inner = points.windows(3).filter_map(|three| match three {
        [before, corner, after] => Some(round(*before, *corner, *after, radius)),
        _ => None,
    });
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    format!("M{}{}L{}", point(*first), inner.collect::<String>(), point(*last))
}

/// A polygon with round corners.
fn closed(corners: &[(f64, f64)], radius: f64) -> String {
    let before = corners.iter().cycle().skip(corners.len().saturating_sub(1));
    let after = corners.iter().cycle().skip(1);
    let path: String = corners
        .iter()
        .zip(before.zip(after))
        .map(|(corner, (before, after))| round(*before, *corner, *after, radius))
        .collect();
    // The first stroke is a move, to where the first corner begins.
    format!("M{}Z", path.strip_prefix('L').unwrap_or(&path))
}

/// A line to a corner and around it.
fn round(before: (f64, f64), corner: (f64, f64), after: (f64, f64), radius: f64) -> String {
    let towards = |to: (f64, f64)| {
        let (x, y) = (to.0 - corner.0, to.1 - corner.1);
        let length = x.hypot(y);
        let part = radius.min(length / 2.0) / length.max(f64::MIN_POSITIVE);
        point((corner.0 + x * part, corner.1 + y * part))
    };
    format!("L{}Q{} {}", towards(before), point(corner), towards(after))
}

fn point((x, y): (f64, f64)) -> String {
    format!("{} {}", Short(x), Short(y))
}

/// A tenth of a pixel is more than anybody sees.
pub(super) struct Short(pub(super) f64);

impl std::fmt::Display for Short {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", (self.0 * 10.0).round() / 10.0)
    }
}
