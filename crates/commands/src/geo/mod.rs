//! Positions on the earth: sorted sets whose scores are geohashes, the same as in Redis to the bit. Their table.
//!
//! | file | what it holds |
//! |---|---|
//! | `position` | longitude and latitude, distances, units |
//! | `cell` | geohashes: the cell of a position, its neighbors, its scores |
//! | `shape` | circles, boxes and polygons |
//! | `area` | which cells are searched for a shape |
//! | `order` | the nearest or farthest of what was found |
//! | `members` | GEOADD, GEOPOS, GEODIST, GEOHASH |
//! | `request`, `search` | the commands that search: their arguments, their work |

mod area;
mod cell;
mod members;
mod order;
mod position;
mod request;
mod search;
mod shape;
#[cfg(test)]
mod tests;

use crate::command::{Command, Group, KeySpec, flag, key_flag};

const GEO: Command = Command {
    group: Group::Geo,
    categories: &["geo"],
    ..Command::BASE
};
const READ: u32 = flag::READONLY;
const WRITE: u32 = flag::WRITE | flag::DENYOOM;
const READ_KEY: KeySpec = KeySpec::one(1, key_flag::RO | key_flag::ACCESS);
const STORING: &[&str] = &["STORE", "STOREDIST"];
const SEARCH_COMPLEXITY: &str = "O(N+log(M)) where N is the number of members in the cells around the shape and M the number of those inside it; N times the number of vertices for polygons";
const RADIUS_COMPLEXITY: &str = "O(N+log(M)) where N is the number of members in the cells around the circle and M the number of all members";

/// The specs of a command whose first option is at `options`.
const fn stored_keys(options: usize) -> [KeySpec; 3] {
    const STORED: u32 = key_flag::OW | key_flag::UPDATE;
    [
        READ_KEY,
        KeySpec::keyword(options, "STORE", STORING, STORED),
        KeySpec::keyword(options, "STOREDIST", STORING, STORED),
    ]
}

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        arity: -5,
        flags: WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
        since: "3.2.0",
        summary: "Adds members with positions, or changes their positions. Creates the key if it doesn't exist",
        complexity: "O(log(N)) for each member, where N is the number of members",
        syntax: "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
        run: members::geoadd,
        ..GEO
    },
    Command {
        name: "geopos",
        arity: -2,
        flags: READ,
        keys: &[READ_KEY],
        since: "3.2.0",
        summary: "Returns the longitude and latitude of members",
        complexity: "O(1) for each member",
        syntax: "key [member [member ...]]",
        run: members::geopos,
        ..GEO
    },
    Command {
        name: "geodist",
        arity: -4,
        flags: READ,
        keys: &[READ_KEY],
        since: "3.2.0",
        summary: "Returns the distance between two members",
        complexity: "O(1)",
        syntax: "key member1 member2 [M | KM | FT | MI]",
        run: members::geodist,
        ..GEO
    },
    Command {
        name: "geohash",
        arity: -2,
        flags: READ,
        keys: &[READ_KEY],
        since: "3.2.0",
        summary: "Returns the positions of members as geohashes",
        complexity: "O(1) for each member",
        syntax: "key [member [member ...]]",
        run: members::geohash,
        ..GEO
    },
    Command {
        name: "geosearch",
        arity: -7,
        flags: READ,
        keys: &[READ_KEY],
        since: "6.2.0",
        summary: "Returns the members inside a circle, a box or a polygon",
        complexity: SEARCH_COMPLEXITY,
        syntax: "key [FROMMEMBER member | FROMLONLAT longitude latitude] <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI> | BYPOLYGON num-vertices longitude latitude [longitude latitude ...]> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
        run: search::geosearch,
        ..GEO
    },
    Command {
        name: "geosearchstore",
        arity: -8,
        flags: WRITE,
        keys: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::one(2, key_flag::RO | key_flag::ACCESS),
        ],
        since: "6.2.0",
        summary: "Stores the members inside a circle, a box or a polygon",
        complexity: SEARCH_COMPLEXITY,
        syntax: "destination source [FROMMEMBER member | FROMLONLAT longitude latitude] <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI> | BYPOLYGON num-vertices longitude latitude [longitude latitude ...]> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
        run: search::geosearchstore,
        ..GEO
    },
    Command {
        name: "georadius",
        arity: -6,
        flags: WRITE | flag::MOVABLE_KEYS,
        keys: &stored_keys(6),
        since: "3.2.0",
        summary: "Returns or stores the members within a distance of a position. GEOSEARCH and GEOSEARCHSTORE do the same",
        complexity: RADIUS_COMPLEXITY,
        syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
        run: search::georadius,
        ..GEO
    },
    Command {
        name: "georadius_ro",
        arity: -6,
        flags: READ,
        keys: &[READ_KEY],
        since: "3.2.10",
        summary: "Returns the members within a distance of a position. GEOSEARCH does the same",
        complexity: RADIUS_COMPLEXITY,
        syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
        run: search::georadius_ro,
        ..GEO
    },
    Command {
        name: "georadiusbymember",
        arity: -5,
        flags: WRITE | flag::MOVABLE_KEYS,
        keys: &stored_keys(5),
        since: "3.2.0",
        summary: "Returns or stores the members within a distance of a member. GEOSEARCH and GEOSEARCHSTORE do the same",
        complexity: RADIUS_COMPLEXITY,
        syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
        run: search::georadiusbymember,
        ..GEO
    },
    Command {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: READ,
        keys: &[READ_KEY],
        since: "3.2.10",
        summary: "Returns the members within a distance of a member. GEOSEARCH does the same",
        complexity: RADIUS_COMPLEXITY,
        syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
        run: search::georadiusbymember_ro,
        ..GEO
    },
];
