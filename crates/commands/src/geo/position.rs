//! Positions on the earth: as clients write them, how far they are from each other, as replies show them.
//!
//! All of it computes with the steps that Redis takes, in their order: the last bits of a distance decide about who is
//! inside a radius, and clients see most of them.

use resp::{Args, ReplyWriter, parse_double};

use crate::error::CommandError;
use crate::parse::is;

/// Positions are up to so many degrees east or west.
pub const LONGITUDE_MAX: f64 = 180.0;

/// And up to so many degrees north or south: where the maps of the web end (EPSG:3857), which make the world a square.
pub const LATITUDE_MAX: f64 = 85.05112878;

/// The earth as a sphere.
pub const EARTH_RADIUS_M: f64 = 6_372_797.560856;

/// One degree.
pub const DEGREE_RADIANS: f64 = std::f64::consts::PI / 180.0;

/// A point on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// East of Greenwich.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

impl Position {
    /// The longitude at a place of the arguments, and the latitude behind it.
    pub fn parse(args: Args<'_>, at: usize) -> Result<Self, CommandError> {
        let number = |at| parse_double(args.get(at)).ok_or(CommandError::NotAFloat);
        let (longitude, latitude) = (number(at)?, number(at + 1)?);
        if longitude.abs() > LONGITUDE_MAX || latitude.abs() > LATITUDE_MAX {
            return Err(CommandError::other(format_args!(
                "invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
            )));
        }
        Ok(Self {
            longitude,
            latitude,
        })
    }

    /// The distance along the surface, by the haversine formula.
    pub fn distance_m(self, other: Self) -> f64 {
        let [latitude, other_latitude] =
            [self.latitude, other.latitude].map(|degrees| degrees * DEGREE_RADIANS);
        let [longitude, other_longitude] =
            [self.longitude, other.longitude].map(|degrees| degrees * DEGREE_RADIANS);
        let v = ((other_longitude - longitude) / 2.0).sin();
        // Along a meridian the formula says the same with other last digits.
        if v == 0.0 {
            return EARTH_RADIUS_M * (other_latitude - latitude).abs();
        }
        let u = ((other_latitude - latitude) / 2.0).sin();
        let square = u * u + latitude.cos() * other_latitude.cos() * v * v;
        // Rounding may make it a little more than one, on opposite sides of the earth.
        2.0 * EARTH_RADIUS_M * square.sqrt().min(1.0).asin()
    }

    /// As an array of two numbers.
    pub fn show(self, reply: &mut ReplyWriter<'_>) {
        reply.array(2);
        reply.double_text(&degrees_text(self.longitude));
        reply.double_text(&degrees_text(self.latitude));
    }
}

/// With 17 digits after the point, without zeros at the end.
fn degrees_text(degrees: f64) -> String {
    let mut text = format!("{degrees:.17}");
    let len = text.trim_end_matches('0').trim_end_matches('.').len();
    text.truncate(len);
    if text == "-0" {
        return "0".to_owned();
    }
    text
}

/// What distances are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Meters.
    Meter,
    /// Kilometers.
    Kilometer,
    /// Feet.
    Foot,
    /// Miles.
    Mile,
}

impl Unit {
    /// The unit of that name.
    pub fn parse(name: &[u8]) -> Result<Self, CommandError> {
        match name {
            name if is(name, "m") => Ok(Self::Meter),
            name if is(name, "km") => Ok(Self::Kilometer),
            name if is(name, "ft") => Ok(Self::Foot),
            name if is(name, "mi") => Ok(Self::Mile),
            _ => Err(CommandError::line(
                "ERR unsupported unit provided. please use M, KM, FT, MI",
            )),
        }
    }

    /// One of it.
    pub const fn meters(self) -> f64 {
        match self {
            Self::Meter => 1.0,
            Self::Kilometer => 1000.0,
            Self::Foot => 0.3048,
            Self::Mile => 1609.34,
        }
    }
}

/// A distance as replies show it.
pub fn show_distance(reply: &mut ReplyWriter<'_>, distance: f64) {
    reply.bulk_display(format_args!("{distance:.4}"));
}

#[cfg(test)]
mod tests {
    use super::{Position, Unit, degrees_text};

    const fn position(longitude: f64, latitude: f64) -> Position {
        Position {
            longitude,
            latitude,
        }
    }

    #[test]
    fn distances_are_those_of_a_sphere() {
        let (palermo, catania) = (
            position(13.361389338970184, 38.1155563954963),
            position(15.087267458438873, 37.50266842333162),
        );
        assert_eq!(palermo.distance_m(palermo), 0.0);
        assert_eq!(format!("{:.4}", palermo.distance_m(catania)), "166274.1516");
        let half = std::f64::consts::PI * super::EARTH_RADIUS_M;
        for latitude in 0..=85 {
            let here = position(-20.0, f64::from(latitude));
            let opposite = position(160.0, -f64::from(latitude));
            assert!((here.distance_m(opposite) - half).abs() < 1.0);
        }
    }

    #[test]
    fn degrees_have_17_digits_and_no_more() {
        for (degrees, expected) in [
            (15.087267458438873, "15.08726745843887329"),
            (-0.5, "-0.5"),
            (-180.0, "-180"),
            (-0.0, "0"),
            (-1e-20, "0"),
            (100.0, "100"),
        ] {
            assert_eq!(degrees_text(degrees), expected);
        }
    }

    #[test]
    fn units_have_names_in_any_case() {
        for (name, unit) in [
            ("m", Unit::Meter),
            ("KM", Unit::Kilometer),
            ("Ft", Unit::Foot),
            ("mI", Unit::Mile),
        ] {
            assert_eq!(Unit::parse(name.as_bytes()), Ok(unit));
        }
        assert!(Unit::parse(b"yd").is_err());
    }
}
