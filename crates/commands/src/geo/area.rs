//! Which cells are looked into for the members inside a shape: the one that its center is in and those around it, as
//! small as they can be. They come in the order in which Redis looks into them, which replies show.

use super::cell::{Bounds, Cell, STEPS_MAX, Towards};
use super::position::Position;
use super::shape::Shape;

/// Half of the way around the earth on the map.
const HALF_OF_THE_MAP_M: f64 = 20_037_726.37;

/// The nine cells that may be looked into, in their order.
const AROUND: [Towards; 9] = [
    Towards { north: 0, east: 0 },
    Towards { north: 1, east: 0 },
    Towards { north: -1, east: 0 },
    Towards { north: 0, east: 1 },
    Towards { north: 0, east: -1 },
    Towards { north: 1, east: 1 },
    Towards { north: 1, east: -1 },
    Towards { north: -1, east: 1 },
    Towards {
        north: -1,
        east: -1,
    },
];

/// The cells to look into. No two of them have members in common.
pub fn cells(shape: &Shape) -> Vec<Cell> {
    let bounds = shape.bounds();
    let center = center_cell(shape, bounds);
    let mut cells: Vec<Cell> = Vec::with_capacity(AROUND.len());
    for to in AROUND {
        let cell = center.neighbor(to);
        // On a map of four cells both neighbors to the sides are the same.
        if is_needed(center, bounds, to) && cells.last() != Some(&cell) {
            cells.push(cell);
        }
    }
    cells
}

/// The cell in the middle.
fn center_cell(shape: &Shape, bounds: Bounds) -> Cell {
    let steps = steps_for(shape.reach_m(), shape.center.latitude);
    let at = |steps: u32| match shape.is_polygon() {
        false => Cell::of(shape.center, steps),
        // Its center may be nearer to a pole than any position.
        true => Cell::nearest(shape.center, steps),
    };
    let mut cell = at(steps);
    if steps > 1 && !reaches(cell, bounds) {
        cell = at(steps - 1);
    }
    // A polygon's center may be far from the middle of its bounds. Other shapes keep their cell, as in Redis: what of them
    // lies beyond the date line or a pole is not always found.
    while shape.is_polygon() && cell.steps() > 1 && !covers(cell, bounds) {
        cell = at(cell.steps() - 1);
    }
    cell
}

/// After how many steps nine cells are probably as large as a circle.
fn steps_for(radius_m: f64, latitude: f64) -> u32 {
    if radius_m == 0.0 {
        return STEPS_MAX;
    }
    let (mut steps, mut radius_m) = (1_i32, radius_m);
    while radius_m < HALF_OF_THE_MAP_M {
        radius_m *= 2.0;
        steps += 1;
    }
    // The center may be anywhere in its cell.
    steps -= 2;
    // Towards the poles the map is stretched.
    if latitude.abs() > 66.0 {
        steps -= 1;
    }
    if latitude.abs() > 80.0 {
        steps -= 1;
    }
    steps.clamp(1, STEPS_MAX.cast_signed()).cast_unsigned()
}

/// Whether the cells around one reach as far as the bounds, as Redis sees it: around the edge of the world they do not.
fn reaches(center: Cell, bounds: Bounds) -> bool {
    let to = |north, east| center.neighbor(Towards { north, east }).bounds();
    let is_too_near = to(1, 0).north < bounds.north
        || to(-1, 0).south > bounds.south
        || to(0, 1).east < bounds.east
        || to(0, -1).west > bounds.west;
    !is_too_near
}

/// Whether the cell and those around it have all of the bounds.
fn covers(center: Cell, bounds: Bounds) -> bool {
    let corner = |longitude, latitude| {
        let corner = Position {
            longitude,
            latitude,
        };
        Cell::nearest(corner, center.steps()).indices()
    };
    let corners = [
        corner(bounds.west, bounds.south),
        corner(bounds.east, bounds.north),
    ];
    let is_near = |[north, east]: [u32; 2]| {
        let [center_north, center_east] = center.indices();
        north.abs_diff(center_north) <= 1 && east.abs_diff(center_east) <= 1
    };
    corners.into_iter().all(is_near)
}

/// Whether the bounds reach out of the cell in the middle to that side. Where there are only four cells, all are looked
/// into.
fn is_needed(center: Cell, bounds: Bounds, to: Towards) -> bool {
    let cell = center.bounds();
    let is_north = to.north > 0 && cell.north > bounds.north;
    let is_south = to.north < 0 && cell.south < bounds.south;
    let is_east = to.east > 0 && cell.east > bounds.east;
    let is_west = to.east < 0 && cell.west < bounds.west;
    center.steps() < 2 || !(is_north || is_south || is_east || is_west)
}

#[cfg(test)]
mod tests {
    use super::super::position::{Position, Unit};
    use super::super::shape::Outline;
    use super::{Cell, STEPS_MAX, Shape, cells, steps_for};

    #[test]
    fn cells_are_about_as_large_as_the_circle() {
        for (radius_m, latitude, steps) in [
            (0.0, 0.0, 26),
            (1e-300, 0.0, 26),
            (0.1, 0.0, 26),
            (1.0, 0.0, 24),
            (1000.0, 0.0, 14),
            (1000.0, 70.0, 13),
            (1000.0, -81.0, 12),
            (5_000_000.0, 0.0, 2),
            (1e300, 0.0, 1),
            (f64::INFINITY, 90.0, 1),
        ] {
            assert_eq!(steps_for(radius_m, latitude), steps, "{radius_m} m");
        }
    }

    fn position(longitude: f64, latitude: f64) -> Position {
        Position {
            longitude,
            latitude,
        }
    }

    #[test]
    fn everything_is_looked_into_once() {
        let everywhere = Shape {
            center: position(1.0, 1.0),
            unit: Unit::Kilometer,
            outline: Outline::Circle { radius: 1e9 },
        };
        let mut indices: Vec<_> = cells(&everywhere)
            .iter()
            .map(|cell| cell.indices())
            .collect();
        assert_eq!(indices, [[1, 1], [0, 1], [1, 0], [0, 0]]);
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), 4);
    }

    /// Whatever a polygon is like, every position in it is in one of the cells.
    #[test]
    fn polygons_are_covered() {
        let mut random = keyspace::Random::new(7);
        let mut between = |max: f64| (random.below(1_000_001) as f64 / 500_000.0 - 1.0) * max;
        let mut inside = 0;
        for turn in 0..2_000 {
            let (longitude, latitude) = (between(180.0), between(85.0));
            let size = [0.001, 1.0, 20.0, 180.0][turn % 4];
            let vertices = (0..3 + turn % 5).map(|_| {
                position(
                    (longitude + between(size)).clamp(-180.0, 180.0),
                    (latitude + between(size)).clamp(-85.0, 85.0),
                )
            });
            let shape = Shape::polygon(vertices.collect());
            let (cells, bounds) = (cells(&shape), shape.bounds());
            for _ in 0..20 {
                let mut part = |from: f64, to: f64| from + (to - from) * (between(0.5) + 0.5);
                let at = position(
                    part(bounds.west, bounds.east),
                    part(bounds.south, bounds.north),
                );
                let (score, _) = Cell::of(at, STEPS_MAX).scores();
                let is_in = |cell: &&Cell| (cell.scores().0..cell.scores().1).contains(&score);
                if shape
                    .distance_inside_m(Cell::of_score(score).center())
                    .is_some()
                {
                    assert_eq!(cells.iter().filter(is_in).count(), 1, "{shape:?} {at:?}");
                    inside += 1;
                }
            }
        }
        assert!(inside > 5_000, "{inside} were inside");
    }
}
