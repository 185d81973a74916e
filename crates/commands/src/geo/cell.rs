//! Cells: the world, which [`super::position`] makes a square, halved again and again in both directions. Where a cell is
//! makes its number, of two bits for each step (<https://en.wikipedia.org/wiki/Geohash>). The score of a member is the
//! number of its cell after 26 steps, so the members of a larger cell are those with scores in a range.
//!
//! Positions on the very edge in the north or the east get a number beyond those of all cells. Redis numbers them so, and
//! scores must be the same.

use super::position::{LATITUDE_MAX, LONGITUDE_MAX, Position};

/// A member's cell comes after so many steps; its score has two bits for each.
pub const STEPS_MAX: u32 = 26;

/// The bits of the latitude in a number; those of the longitude are the others.
const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;

/// Where latitudes end in geohashes as everybody else writes them.
const LATITUDE_MAX_OF_TEXTS: f64 = 90.0;

/// The digits of geohashes as texts.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// A part of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    bits: u64,
    steps: u32,
}

/// How far something reaches, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Its least longitude.
    pub west: f64,
    /// Its largest longitude.
    pub east: f64,
    /// Its least latitude.
    pub south: f64,
    /// Its largest latitude.
    pub north: f64,
}

impl Cell {
    /// The cell that a position is in, after `steps`: 1 to [`STEPS_MAX`].
    pub fn of(position: Position, steps: u32) -> Self {
        let bits = number(position, LATITUDE_MAX, steps);
        Self { bits, steps }
    }

    /// The same, with positions on the edge and beyond it in the nearest cell.
    pub fn nearest(position: Position, steps: u32) -> Self {
        let last = (1 << steps) - 1;
        let [north, east] = indices(position, LATITUDE_MAX, steps).map(|index| index.min(last));
        let bits = interleave(north, east);
        Self { bits, steps }
    }

    /// The cell of a member.
    pub fn of_score(score: f64) -> Self {
        Self {
            bits: bits_of_score(score),
            steps: STEPS_MAX,
        }
    }

    /// The lowest score in it, and the lowest behind it.
    pub fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        let score = |bits: u64| (bits << shift) as f64;
        (score(self.bits), score(self.bits + 1))
    }

    /// Its number among those of its size, from the south and from the west.
    pub fn indices(self) -> [u32; 2] {
        [gather(self.bits), gather(self.bits >> 1)]
    }

    /// After how many steps it comes.
    pub fn steps(self) -> u32 {
        self.steps
    }

    /// How far it reaches.
    pub fn bounds(self) -> Bounds {
        let cells = (1_u64 << self.steps) as f64;
        let edge = |index: u32, max: f64| -max + f64::from(index) / cells * (max + max);
        let [north, east] = self.indices();
        Bounds {
            west: edge(east, LONGITUDE_MAX),
            east: edge(east.wrapping_add(1), LONGITUDE_MAX),
            south: edge(north, LATITUDE_MAX),
            north: edge(north.wrapping_add(1), LATITUDE_MAX),
        }
    }

    /// Its middle.
    pub fn center(self) -> Position {
        let bounds = self.bounds();
        let longitude = (bounds.west + bounds.east) / 2.0;
        let latitude = (bounds.south + bounds.north) / 2.0;
        Position {
            longitude: longitude.clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The cell of the same size beside it. Behind the edge of the world comes its other side.
    pub fn neighbor(self, to: Towards) -> Self {
        let bits = moved(self.bits, LATITUDE_BITS, self.steps, to.north);
        let bits = moved(bits, !LATITUDE_BITS, self.steps, to.east);
        Self { bits, ..self }
    }
}

/// Which of the cells around a cell: steps to the north and the east, each -1, 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Towards {
    /// -1 for the south.
    pub north: i8,
    /// -1 for the west.
    pub east: i8,
}

/// The position of a member as a geohash that other programs read. It has eleven digits because it always had, the last
/// of them without a meaning.
pub fn text(position: Position) -> [u8; 11] {
    let bits = number(position, LATITUDE_MAX_OF_TEXTS, STEPS_MAX);
    let mut text = [b'0'; 11];
    for (at, digit) in text[..10].iter_mut().enumerate() {
        *digit = DIGITS[(bits >> (2 * STEPS_MAX - 5 * (at as u32 + 1))) as usize & 31];
    }
    text
}

fn number(position: Position, latitude_max: f64, steps: u32) -> u64 {
    let [north, east] = indices(position, latitude_max, steps);
    interleave(north, east)
}

/// The number of its cell from the south and from the west.
fn indices(position: Position, latitude_max: f64, steps: u32) -> [u32; 2] {
    let cells = (1_u64 << steps) as f64;
    let index = |degrees: f64, max: f64| ((degrees + max) / (max + max) * cells) as u32;
    [
        index(position.latitude, latitude_max),
        index(position.longitude, LONGITUDE_MAX),
    ]
}

fn interleave(north: u32, east: u32) -> u64 {
    spread(north) | spread(east) << 1
}

/// Masks of bits that lie together in groups of 16, 8, 4, 2 and 1, each with how far apart they came from.
const GROUPS: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, LATITUDE_BITS),
];

/// Every bit moves to twice its place.
fn spread(bits: u32) -> u64 {
    let wide = u64::from(bits);
    GROUPS
        .iter()
        .fold(wide, |bits, (shift, mask)| (bits | bits << shift) & mask)
}

/// What [`spread`] spread.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & LATITUDE_BITS;
    let wider = GROUPS.iter().rev().zip(GROUPS.iter().rev().skip(1));
    for ((shift, _), (_, mask)) in wider {
        bits = (bits | bits >> shift) & mask;
    }
    (bits | bits >> 16) as u32
}

/// A number whose bits in `axis` are those of the cell one further, or one before.
fn moved(bits: u64, axis: u64, steps: u32, by: i8) -> u64 {
    let used = u64::MAX >> (64 - 2 * steps);
    // With all bits between them set, a carry passes from one bit of the axis to the next.
    let between = !axis & used;
    let own = bits & axis;
    let own = match by {
        0 => return bits,
        1.. => own.wrapping_add(between + 1),
        _ => (own | between).wrapping_sub(between + 1),
    };
    bits & !axis | own & axis & used
}

/// The bits of a score. What is no number of a cell, because ZADD gave it, becomes what a processor of the x86 family
/// makes of it: so do such members have the same positions as in Redis.
fn bits_of_score(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    let truncated = |score: f64| {
        if (-HALF..HALF).contains(&score) {
            score as i64
        } else {
            i64::MIN
        }
    };
    if score < HALF {
        truncated(score).cast_unsigned()
    } else {
        truncated(score - HALF).cast_unsigned() ^ 1 << 63
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Position, STEPS_MAX, Towards, gather, spread, text};

    const PALERMO: Position = Position {
        longitude: 13.361389,
        latitude: 38.115556,
    };

    #[test]
    fn bits_are_spread_and_gathered() {
        for bits in [0, 1, 2, 3, 0x8000_0000, 0xffff_ffff, 0x1234_5678] {
            let expected = (0..32).map(|bit| u64::from(bits >> bit & 1) << (2 * bit));
            assert_eq!(spread(bits), expected.sum());
            assert_eq!(gather(spread(bits)), bits);
            assert_eq!(gather(spread(bits) | !super::LATITUDE_BITS), bits);
        }
    }

    #[test]
    fn scores_are_those_of_redis() {
        let scores = Cell::of(PALERMO, STEPS_MAX).scores();
        assert_eq!(scores, (3479099956230698.0, 3479099956230699.0));
        let center = Cell::of_score(scores.0).center();
        assert_eq!(center.longitude, 13.361389338970184);
        assert_eq!(center.latitude, 38.1155563954963);
        assert_eq!(&text(center), b"sqc8b49rny0");
    }

    #[test]
    fn a_cell_has_the_scores_of_its_parts() {
        for steps in 1..STEPS_MAX {
            let (large, small) = (Cell::of(PALERMO, steps), Cell::of(PALERMO, steps + 1));
            assert!(large.scores().0 <= small.scores().0);
            assert!(large.scores().1 >= small.scores().1);
            let bounds = large.bounds();
            assert!((bounds.west..bounds.east).contains(&PALERMO.longitude));
            assert!((bounds.south..bounds.north).contains(&PALERMO.latitude));
        }
    }

    #[test]
    fn neighbors_are_beside_it_and_on_the_other_side() {
        for steps in [1, 2, 3, 8, 26] {
            let last = (1_u32 << steps) - 1;
            for position in [PALERMO, corner(-1.0), corner(0.999_999_999)] {
                let cell = Cell::of(position, steps);
                let [north, east] = cell.indices();
                for (to_north, to_east) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1)] {
                    let to = Towards {
                        north: to_north,
                        east: to_east,
                    };
                    let by = |index: u32, by: i8| index.wrapping_add_signed(by.into()) & last;
                    let expected = [by(north, to_north), by(east, to_east)];
                    assert_eq!(cell.neighbor(to).indices(), expected);
                }
            }
        }
    }

    fn corner(part: f64) -> Position {
        Position {
            longitude: part * super::LONGITUDE_MAX,
            latitude: part * super::LATITUDE_MAX,
        }
    }

    #[test]
    fn the_edge_is_beyond_the_last_cell() {
        let edge = Cell::of(corner(1.0), STEPS_MAX);
        assert_eq!(edge.scores().0, 3.0 * 2.0_f64.powi(52));
        assert_eq!(edge.center(), corner(1.0));
        assert_eq!(Cell::nearest(corner(1.0), 3).indices(), [7, 7]);
        assert_eq!(Cell::nearest(corner(-1.5), 3).indices(), [0, 0]);
    }

    #[test]
    fn any_score_has_a_position() {
        for (score, longitude, latitude) in [
            (-1.0, 180.0, 85.05112878),
            (f64::INFINITY, -179.99999731779099, -85.05112751263943),
            (f64::NEG_INFINITY, 180.0, -85.05112751263943),
            (1e300, -179.99999731779099, -85.05112751263943),
            (0.5, -179.99999731779099, -85.05112751263943),
            (2.0_f64.powi(63), 180.0, -85.05112751263943),
            (2.0_f64.powi(64), -179.99999731779099, -85.05112751263943),
        ] {
            let expected = Position {
                longitude,
                latitude,
            };
            assert_eq!(Cell::of_score(score).center(), expected, "{score}");
        }
    }
}
