//! Where jumps run: each in a lane at the left of the chain, so that none lies upon another.

/// The way of a jump.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) from: End,
    pub(super) to: End,
    /// Counted from the chain.
    pub(super) lane: usize,
}

/// Where a jump meets the left side of a box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct End {
    pub(super) row: usize,
    /// Counted from above.
    pub(super) port: usize,
    /// How many share the side.
    pub(super) ports: usize,
}

/// The routes of jumps from row to row, the shortest first.
pub(super) fn routes(jumps: &[(usize, usize)]) -> Vec<Route> {
    let jumps = with_lanes(jumps);
    let route = |jump: &Laned| Route {
        from: end(&jumps, jump.from, Meeting { lane: jump.lane, arrives: false }),
        to: end(&jumps, jump.to, Meeting { lane: jump.lane, arrives: true }),
        lane: jump.lane,
    };
    jumps.iter().map(route).collect()
}

/// A jump that has its lane.
struct Laned {
    from: usize,
    to: usize,
    lane: usize,
}

/// The shortest jump has the nearest lane; those that pass the same row have different ones.
fn with_lanes(jumps: &[(usize, usize)]) -> Vec<Laned> {
    let mut jumps = jumps.to_vec();
    jumps.sort_by_key(|(from, to)| (from.abs_diff(*to), *from.min(to)));
    let mut laned: Vec<Laned> = Vec::new();
    for (from, to) in jumps {
        let is_taken = |lane: usize| {
            laned.iter().any(|other| other.lane == lane && other.passes_a_row_of(from, to))
        };
        let mut lane = 0;
        while is_taken(lane) {
            lane += 1;
        }
        laned.push(Laned { from, to, lane });
    }
    laned
}

impl Laned {
    fn passes_a_row_of(&self, from: usize, to: usize) -> bool {
        self.from.min(self.to) <= from.max(to) && from.min(to) <= self.from.max(self.to)
    }
}

/// One end of the jump in a lane. No two jumps that meet the same row have the same lane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Meeting {
    lane: usize,
    arrives: bool,
}

/// Lines that come from above meet the box above those that come from below. Of the former the
/// nearest lane is above, of the latter the farthest: so no two cross in front of the box.
fn end(jumps: &[Laned], row: usize, meeting: Meeting) -> End {
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for jump in jumps {
        let ends = [(jump.from, jump.to, false), (jump.to, jump.from, true)];
        for (here, there, arrives) in ends.into_iter().filter(|(here, ..)| *here == row) {
            let side = if there > here { &mut below } else { &mut above };
            side.push(Meeting { lane: jump.lane, arrives });
        }
    }
    above.sort();
    below.sort();
    below.reverse();
    above.extend(below);
    let port = above.iter().position(|other| *other == meeting).unwrap_or(0);
    End { row, port, ports: above.len() }
}

#[cfg(test)]
mod tests {
    use super::{Route, routes};

    /// In the order of `jumps`.
    fn in_order<T>(jumps: &[(usize, usize)], look: impl Fn(&Route) -> T) -> Vec<T> {
        let routes = routes(jumps);
        let of = |jump| routes.iter().find(|route| (route.from.row, route.to.row) == jump).unwrap();
        jumps.iter().map(|jump| look(of(*jump))).collect()
    }

    #[test]
    fn jumps_that_pass_the_same_row_run_in_different_lanes() {
        let check = |jumps: &[(usize, usize)], lanes: &[usize]| {
            assert_eq!(in_order(jumps, |route| route.lane), lanes, "{jumps:?}");
        };
        check(&[], &[]);
        check(&[(0, 4)], &[0]);
        check(&[(0, 1), (2, 3)], &[0, 0]);
        check(&[(0, 2), (2, 4)], &[0, 1]);
        check(&[(0, 5), (1, 3)], &[1, 0]);
        check(&[(3, 1), (1, 3), (2, 2)], &[1, 2, 0]);
    }

    #[test]
    fn ends_at_one_box_meet_it_at_ports_of_their_own() {
        let check = |jumps: &[(usize, usize)], ports: &[(usize, usize)]| {
            let found = in_order(jumps, |route| (route.from.port, route.to.port));
            assert_eq!(found, ports, "{jumps:?}");
        };
        check(&[(0, 4)], &[(0, 0)]);
        // From above before from below.
        check(&[(0, 2), (4, 2)], &[(0, 0), (0, 1)]);
        // Of those that lead down, the longer one begins above; it also ends below.
        check(&[(0, 2), (0, 4)], &[(1, 0), (0, 0)]);
        check(&[(0, 4), (2, 4)], &[(0, 1), (0, 0)]);
        // In place.
        check(&[(1, 1)], &[(0, 1)]);
    }
}
