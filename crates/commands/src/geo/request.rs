//! The arguments of the commands that search, into types.

use keyspace::{Contents, SortedSet};
use resp::{Args, parse_double};

use super::members::position_of;
use super::position::{Position, Unit};
use super::shape::{Outline, Shape};
use crate::error::CommandError;
use crate::parse::{integer, is};

/// What a command is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// GEORADIUS: a position and a radius, then options.
    AroundPosition(Storing),
    /// GEORADIUSBYMEMBER: a member and a radius, then options.
    AroundMember(Storing),
    /// GEOSEARCH: everything is an option.
    Search,
    /// GEOSEARCHSTORE: a destination before the key.
    SearchStore,
}

/// Whether the options STORE and STOREDIST are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storing {
    /// They are.
    Allowed,
    /// They are not: the command only reads.
    Never,
}

impl Form {
    /// The place of the key that is searched.
    pub const fn source(self) -> usize {
        match self {
            Self::AroundPosition(_) | Self::AroundMember(_) | Self::Search => 1,
            Self::SearchStore => 2,
        }
    }

    /// The place of the first option.
    const fn options(self) -> usize {
        match self {
            Self::AroundPosition(_) => 6,
            Self::AroundMember(_) => 5,
            Self::Search => 2,
            Self::SearchStore => 3,
        }
    }

    /// Whether the options say what is searched for.
    const fn is_search(self) -> bool {
        match self {
            Self::Search | Self::SearchStore => true,
            Self::AroundPosition(_) | Self::AroundMember(_) => false,
        }
    }

    const fn takes_destination(self) -> bool {
        match self {
            Self::AroundPosition(storing) | Self::AroundMember(storing) => match storing {
                Storing::Allowed => true,
                Storing::Never => false,
            },
            Self::Search | Self::SearchStore => false,
        }
    }
}

/// In which order members are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they are found.
    Any,
    /// The nearest first.
    Nearest,
    /// The farthest first.
    Farthest,
}

/// What is answered besides names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Positions.
    pub coordinates: bool,
    /// Distances from the center.
    pub distance: bool,
    /// Scores.
    pub hash: bool,
}

impl Details {
    /// How many of them.
    pub fn count(self) -> usize {
        let details = [self.coordinates, self.distance, self.hash];
        details.into_iter().filter(|is_asked| *is_asked).count()
    }
}

/// What the members are stored with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredScore {
    /// Their positions.
    Hash,
    /// Their distances.
    Distance,
}

/// Where the members are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The place of the key.
    pub place: usize,
    /// With which scores.
    pub score: StoredScore,
}

/// A request, with its options.
#[derive(Debug)]
pub struct Request {
    /// What is searched for; None where the key is not there.
    pub shape: Option<Shape>,
    pub order: Order,
    /// So many of them.
    pub count: Option<usize>,
    /// Any members will do: the search ends when there are enough.
    pub is_any_enough: bool,
    pub details: Details,
    pub destination: Option<Destination>,
}

impl Request {
    /// Reads the arguments. Members that are named are looked up in the set, unless that is not there.
    pub fn parse(
        form: Form,
        args: Args<'_>,
        set: Option<Contents<'_, SortedSet>>,
    ) -> Result<Self, CommandError> {
        let mut parser = Parser::new(form, args, set)?;
        while parser.at < args.len() {
            let taken = match parser.modifier()? {
                0 => parser.area()?,
                taken => taken,
            };
            if taken == 0 {
                return Err(CommandError::Syntax);
            }
            parser.at += taken;
        }
        parser.finish()
    }
}

const NO_SUCH_MEMBER: CommandError =
    CommandError::line("ERR could not decode requested zset member");

/// A request that is being read.
struct Parser<'a> {
    form: Form,
    args: Args<'a>,
    set: Option<Contents<'a, SortedSet>>,
    /// The place of the next option.
    at: usize,
    /// The position of FROMMEMBER or FROMLONLAT, and by which of them.
    center: Option<(From, Position)>,
    /// What BYRADIUS, BYBOX or BYPOLYGON says.
    outline: Option<(Unit, Outline)>,
    order: Order,
    count: Option<usize>,
    is_any_enough: bool,
    details: Details,
    destination: Option<Destination>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Member,
    Position,
}

impl<'a> Parser<'a> {
    fn new(
        form: Form,
        args: Args<'a>,
        set: Option<Contents<'a, SortedSet>>,
    ) -> Result<Self, CommandError> {
        let mut parser = Self {
            form,
            args,
            set,
            at: form.options(),
            center: None,
            outline: None,
            order: Order::Any,
            count: None,
            is_any_enough: false,
            details: Details::default(),
            destination: None,
        };
        match form {
            Form::AroundPosition(_) => {
                parser.center = Some((From::Position, Position::parse(args, 2)?));
                parser.outline = Some(circle(args, 4)?);
            }
            // Without the set nobody looks at the radius.
            Form::AroundMember(_) if set.is_some() => {
                parser.center = Some((From::Member, parser.member(2)?));
                parser.outline = Some(circle(args, 3)?);
            }
            Form::AroundMember(_) | Form::Search => {}
            Form::SearchStore => {
                parser.destination = Some(Destination {
                    place: 1,
                    score: StoredScore::Hash,
                });
            }
        }
        Ok(parser)
    }

    /// The position of a member. Any will do where there is no set to search.
    fn member(&self, place: usize) -> Result<Position, CommandError> {
        const NOWHERE: Position = Position {
            longitude: 0.0,
            latitude: 0.0,
        };
        match self.set {
            Some(set) => position_of(set, self.args.get(place)).ok_or(NO_SUCH_MEMBER),
            None => Ok(NOWHERE),
        }
    }

    /// Reads an option that every form has, or that stores; how many arguments it takes, 0 if it is none.
    fn modifier(&mut self) -> Result<usize, CommandError> {
        let option = self.args.get(self.at);
        let left = self.args.len() - self.at - 1;
        if is(option, "WITHDIST") {
            self.details.distance = true;
        } else if is(option, "WITHHASH") {
            self.details.hash = true;
        } else if is(option, "WITHCOORD") {
            self.details.coordinates = true;
        } else if is(option, "ANY") {
            self.is_any_enough = true;
        } else if is(option, "ASC") {
            self.order = Order::Nearest;
        } else if is(option, "DESC") {
            self.order = Order::Farthest;
        } else if is(option, "COUNT") && left >= 1 {
            self.count = Some(count(self.args.get(self.at + 1))?);
            return Ok(2);
        } else {
            return Ok(self.storing(option, left));
        }
        Ok(1)
    }

    fn storing(&mut self, option: &[u8], left: usize) -> usize {
        let score = match option {
            option if is(option, "STORE") => StoredScore::Hash,
            option if is(option, "STOREDIST") => StoredScore::Distance,
            _ => return 0,
        };
        if self.form.takes_destination() && left >= 1 {
            let place = self.at + 1;
            self.destination = Some(Destination { place, score });
            return 2;
        }
        match (self.form, score) {
            (Form::SearchStore, StoredScore::Distance) => {
                self.destination = Some(Destination { place: 1, score });
                1
            }
            (
                Form::SearchStore | Form::Search | Form::AroundMember(_) | Form::AroundPosition(_),
                StoredScore::Hash | StoredScore::Distance,
            ) => 0,
        }
    }

    /// Reads an option that says what is searched for; how many arguments it takes, 0 if it is none or does not go with
    /// the others.
    fn area(&mut self) -> Result<usize, CommandError> {
        let (args, at) = (self.args, self.at);
        let (option, left) = (args.get(at), args.len() - at - 1);
        if !self.form.is_search() {
            return Ok(0);
        }
        if is(option, "FROMMEMBER") && left >= 1 && self.may_be_from(From::Member) {
            self.center = Some((From::Member, self.member(at + 1)?));
            Ok(2)
        } else if is(option, "FROMLONLAT") && left >= 2 && self.may_be_from(From::Position) {
            self.center = Some((From::Position, Position::parse(args, at + 1)?));
            Ok(3)
        } else if is(option, "BYRADIUS") && left >= 2 && self.may_be(is_circle) {
            self.outline = Some(circle(args, at + 1)?);
            Ok(3)
        } else if is(option, "BYBOX") && left >= 3 && self.may_be(is_rectangle) {
            self.outline = Some(rectangle(args, at + 1)?);
            Ok(4)
        } else if is(option, "BYPOLYGON")
            && left >= 2
            && self.center.is_none()
            && self.may_be(is_polygon)
        {
            let vertices = vertices(args, at + 1)?;
            let taken = 2 + 2 * vertices.len();
            self.outline = Some((Unit::Meter, Outline::Polygon { vertices }));
            Ok(taken)
        } else {
            Ok(0)
        }
    }

    /// Whether the center may be given so.
    fn may_be_from(&self, from: From) -> bool {
        let is_same = self.center.is_none_or(|(other, _)| other == from);
        let has_own = self
            .outline
            .as_ref()
            .is_some_and(|(_, outline)| is_polygon(outline));
        is_same && !has_own
    }

    /// Whether the outline may be of a kind: there is only one, which may be given again.
    fn may_be(&self, is_of_kind: fn(&Outline) -> bool) -> bool {
        self.outline
            .as_ref()
            .is_none_or(|(_, outline)| is_of_kind(outline))
    }

    fn finish(self) -> Result<Request, CommandError> {
        if self.destination.is_some() && self.details.count() > 0 {
            return Err(CommandError::line(match self.form {
                Form::SearchStore => {
                    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
                Form::Search | Form::AroundPosition(_) | Form::AroundMember(_) => {
                    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
            }));
        }
        let needs = |what: &str| CommandError::repeating(what, self.args.name(), "");
        let is_search = self.form.is_search();
        let is_polygon = self
            .outline
            .as_ref()
            .is_some_and(|(_, outline)| is_polygon(outline));
        if is_search && self.center.is_none() && !is_polygon {
            return Err(needs(
                "exactly one of FROMMEMBER or FROMLONLAT can be specified for ",
            ));
        }
        if is_search && self.outline.is_none() {
            return Err(needs(
                "exactly one of BYRADIUS and BYBOX can be specified for ",
            ));
        }
        if self.is_any_enough && self.count.is_none() {
            return Err(CommandError::line(
                "ERR the ANY argument requires COUNT argument",
            ));
        }
        // Only the nearest ones make sense of a count, unless any do.
        let order = match self.order {
            Order::Any if self.count.is_some() && !self.is_any_enough => Order::Nearest,
            order => order,
        };
        Ok(Request {
            shape: shape(self.center, self.outline),
            order,
            count: self.count,
            is_any_enough: self.is_any_enough,
            details: self.details,
            destination: self.destination,
        })
    }
}

fn shape(center: Option<(From, Position)>, outline: Option<(Unit, Outline)>) -> Option<Shape> {
    let (unit, outline) = outline?;
    if let Outline::Polygon { vertices } = outline {
        return Some(Shape::polygon(vertices));
    }
    let (_, center) = center?;
    Some(Shape {
        center,
        unit,
        outline,
    })
}

fn is_circle(outline: &Outline) -> bool {
    match outline {
        Outline::Circle { .. } => true,
        Outline::Rectangle { .. } | Outline::Polygon { .. } => false,
    }
}

fn is_rectangle(outline: &Outline) -> bool {
    match outline {
        Outline::Rectangle { .. } => true,
        Outline::Circle { .. } | Outline::Polygon { .. } => false,
    }
}

fn is_polygon(outline: &Outline) -> bool {
    !is_circle(outline) && !is_rectangle(outline)
}

fn count(argument: &[u8]) -> Result<usize, CommandError> {
    let count = integer(argument)?;
    let count = usize::try_from(count).ok().filter(|count| *count > 0);
    count.ok_or(CommandError::line("ERR COUNT must be > 0"))
}

/// A number of a shape.
fn number(argument: &[u8], what: &'static str) -> Result<f64, CommandError> {
    parse_double(argument).ok_or(CommandError::line(what))
}

/// A radius and its unit.
fn circle(args: Args<'_>, at: usize) -> Result<(Unit, Outline), CommandError> {
    let radius = number(args.get(at), "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(CommandError::line("ERR radius cannot be negative"));
    }
    let unit = Unit::parse(args.get(at + 1))?;
    Ok((unit, Outline::Circle { radius }))
}

/// A width, a height and their unit.
fn rectangle(args: Args<'_>, at: usize) -> Result<(Unit, Outline), CommandError> {
    let width = number(args.get(at), "ERR need numeric width")?;
    let height = number(args.get(at + 1), "ERR need numeric height")?;
    if height < 0.0 || width < 0.0 {
        return Err(CommandError::line("ERR height or width cannot be negative"));
    }
    let unit = Unit::parse(args.get(at + 2))?;
    Ok((unit, Outline::Rectangle { width, height }))
}

/// A number of vertices, and so many positions.
fn vertices(args: Args<'_>, at: usize) -> Result<Vec<Position>, CommandError> {
    let count = integer(args.get(at)).ok();
    let count = count
        .and_then(|count| i32::try_from(count).ok())
        .ok_or(CommandError::line("ERR invalid number of vertices"))?;
    let places = at + 1..args.len();
    let count = usize::try_from(count).ok();
    let count = count
        .filter(|count| (3..=places.len() / 2).contains(count))
        .ok_or(CommandError::line(
            "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices",
        ))?;
    let places = places.step_by(2).take(count);
    places.map(|at| Position::parse(args, at)).collect()
}
