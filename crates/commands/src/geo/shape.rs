//! What is searched for: circles, boxes and polygons.

use super::cell::Bounds;
use super::position::{
    DEGREE_RADIANS, EARTH_RADIUS_M, LATITUDE_MAX, LONGITUDE_MAX, Position, Unit,
};

/// A part of the earth's surface around a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// What distances are measured from.
    pub center: Position,
    /// What its sizes are measured in, and the distances of what is found.
    pub unit: Unit,
    /// What it looks like.
    pub outline: Outline,
}

/// What a shape looks like.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline {
    /// All positions within this distance.
    Circle {
        /// It.
        radius: f64,
    },
    /// All positions within half of these distances, in both directions.
    Rectangle {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
    /// What lies between lines from one of these positions to the next, and from the last to the first. The lines are
    /// straight on a map with a square grid of degrees, and none leads over the date line.
    Polygon {
        /// At least three.
        vertices: Vec<Position>,
    },
}

impl Shape {
    /// A polygon around the middle of its vertices.
    pub fn polygon(vertices: Vec<Position>) -> Self {
        Self {
            center: middle(&vertices),
            unit: Unit::Meter,
            outline: Outline::Polygon { vertices },
        }
    }

    /// Whether it is a polygon.
    pub fn is_polygon(&self) -> bool {
        match self.outline {
            Outline::Circle { .. } | Outline::Rectangle { .. } => false,
            Outline::Polygon { .. } => true,
        }
    }

    /// The distance of a position from the center, in meters, if it is inside.
    pub fn distance_inside_m(&self, position: Position) -> Option<f64> {
        let meters = self.unit.meters();
        match &self.outline {
            Outline::Circle { radius } => {
                let distance_m = self.center.distance_m(position);
                (distance_m <= radius * meters).then_some(distance_m)
            }
            Outline::Rectangle { width, height } => {
                let below = Position {
                    latitude: self.center.latitude,
                    ..position
                };
                let beside = Position {
                    longitude: self.center.longitude,
                    ..position
                };
                let is_inside = position.distance_m(beside) <= width * meters / 2.0
                    && position.distance_m(below) <= height * meters / 2.0;
                is_inside.then(|| self.center.distance_m(position))
            }
            Outline::Polygon { vertices } => {
                is_between(vertices, position).then(|| self.center.distance_m(position))
            }
        }
    }

    /// The distance within which everything is. Not exact.
    pub fn reach_m(&self) -> f64 {
        let meters = self.unit.meters();
        match &self.outline {
            Outline::Circle { radius } => radius * meters,
            Outline::Rectangle { width, height } => {
                let (x, y) = (width / 2.0, height / 2.0);
                (x * x + y * y).sqrt() * meters
            }
            Outline::Polygon { .. } => {
                let bounds = self.bounds();
                let corners = [bounds.west, bounds.east]
                    .into_iter()
                    .flat_map(|longitude| {
                        [bounds.south, bounds.north].map(|latitude| Position {
                            longitude,
                            latitude,
                        })
                    });
                let distances = corners.map(|corner| self.center.distance_m(corner));
                distances.fold(0.0, f64::max)
            }
        }
    }

    /// How far it reaches. That may be beyond the edges of the world.
    pub fn bounds(&self) -> Bounds {
        let meters = self.unit.meters();
        match &self.outline {
            Outline::Circle { radius } => self.bounds_around(meters * radius, meters * radius),
            Outline::Rectangle { width, height } => {
                self.bounds_around(meters * (width / 2.0), meters * (height / 2.0))
            }
            Outline::Polygon { vertices } => bounds_of(vertices),
        }
    }

    /// How far so many meters to all sides reach, by the longest of the parallels.
    fn bounds_around(&self, width_m: f64, height_m: f64) -> Bounds {
        let Position {
            longitude,
            latitude,
        } = self.center;
        let degrees = |radians: f64| radians / DEGREE_RADIANS;
        let to_north = degrees(height_m / EARTH_RADIUS_M);
        let nearest_pole = if latitude < 0.0 {
            latitude - to_north
        } else {
            latitude + to_north
        };
        let to_east = degrees(width_m / EARTH_RADIUS_M / (nearest_pole * DEGREE_RADIANS).cos());
        Bounds {
            west: longitude - to_east,
            east: longitude + to_east,
            south: latitude - to_north,
            north: latitude + to_north,
        }
    }
}

/// The bounds of positions.
fn bounds_of(positions: &[Position]) -> Bounds {
    let nothing = Bounds {
        west: LONGITUDE_MAX,
        east: -LONGITUDE_MAX,
        south: LATITUDE_MAX,
        north: -LATITUDE_MAX,
    };
    positions.iter().fold(nothing, |bounds, position| Bounds {
        west: bounds.west.min(position.longitude),
        east: bounds.east.max(position.longitude),
        south: bounds.south.min(position.latitude),
        north: bounds.north.max(position.latitude),
    })
}

/// The position below which the middle of points on a sphere is.
fn middle(positions: &[Position]) -> Position {
    let mut sums = [0.0; 3];
    for position in positions {
        let (longitude, latitude) = (
            position.longitude * DEGREE_RADIANS,
            position.latitude * DEGREE_RADIANS,
        );
        let point = [
            EARTH_RADIUS_M * latitude.cos() * longitude.cos(),
            EARTH_RADIUS_M * latitude.cos() * longitude.sin(),
            EARTH_RADIUS_M * latitude.sin(),
        ];
        for (sum, coordinate) in sums.iter_mut().zip(point) {
            *sum += coordinate;
        }
    }
    let [x, y, z] = sums.map(|sum| sum / positions.len() as f64);
    Position {
        longitude: y.atan2(x) / DEGREE_RADIANS,
        latitude: z.atan2((x * x + y * y).sqrt()) / DEGREE_RADIANS,
    }
}

/// Whether a position is inside a polygon: whether a ray to the east crosses an odd number of its lines
/// (<https://wrfranklin.org/Research/Short_Notes/pnpoly.html>).
fn is_between(vertices: &[Position], position: Position) -> bool {
    let before = vertices.iter().cycle().skip(vertices.len() - 1);
    let lines = vertices.iter().zip(before);
    let is_crossed = |(from, to): &(&Position, &Position)| {
        if (from.latitude > position.latitude) == (to.latitude > position.latitude) {
            return false;
        }
        let slope = (to.longitude - from.longitude) * (position.latitude - from.latitude)
            / (to.latitude - from.latitude);
        position.longitude < slope + from.longitude
    };
    lines.filter(is_crossed).count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::{Outline, Position, Shape, Unit};

    fn position((longitude, latitude): (f64, f64)) -> Position {
        Position {
            longitude,
            latitude,
        }
    }

    fn polygon(vertices: &[(f64, f64)]) -> Shape {
        Shape::polygon(vertices.iter().copied().map(position).collect())
    }

    fn has(shape: &Shape, at: (f64, f64)) -> bool {
        shape.distance_inside_m(position(at)).is_some()
    }

    #[test]
    fn a_polygon_has_what_is_between_its_lines() {
        let arrow = polygon(&[(0.0, 0.0), (10.0, 10.0), (0.0, 20.0), (4.0, 10.0)]);
        for (at, expected) in [
            ((5.0, 10.0), true),
            ((3.0, 10.0), false),
            ((1.0, 2.0), true),
            ((1.0, 10.0), false),
            ((11.0, 10.0), false),
            ((5.0, 21.0), false),
            ((5.0, -1.0), false),
        ] {
            assert_eq!(has(&arrow, at), expected, "{at:?}");
        }
        // Where lines cross, the middle of a star is inside twice, which is outside.
        let star = polygon(&[
            (0.0, 10.0),
            (6.0, -8.0),
            (-9.0, 3.0),
            (9.0, 3.0),
            (-6.0, -8.0),
        ]);
        assert!(!has(&star, (0.0, 0.0)));
        assert!(has(&star, (0.0, 8.0)));
    }

    #[test]
    fn a_polygon_has_a_middle_and_bounds() {
        let square = polygon(&[(-10.0, -5.0), (10.0, -5.0), (10.0, 5.0), (-10.0, 5.0)]);
        assert_eq!(square.center, position((0.0, 0.0)));
        let bounds = square.bounds();
        let sides = [bounds.west, bounds.east, bounds.south, bounds.north];
        assert_eq!(sides, [-10.0, 10.0, -5.0, 5.0]);
        assert!(square.reach_m() > 1_200_000.0 && square.reach_m() < 1_300_000.0);
    }

    #[test]
    fn a_box_has_a_width_and_a_height() {
        let flat = Shape {
            center: position((0.0, 0.0)),
            unit: Unit::Kilometer,
            outline: Outline::Rectangle {
                width: 300.0,
                height: 100.0,
            },
        };
        assert!(has(&flat, (1.3, 0.4)));
        assert!(!has(&flat, (1.4, 0.4)));
        assert!(!has(&flat, (1.3, 0.5)));
    }
}
