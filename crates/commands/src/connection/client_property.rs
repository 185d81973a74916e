//! What a connection can be asked for by the filters of CLIENT LIST and CLIENT KILL.

use std::sync::atomic::Ordering::Relaxed;

use keyspace::limits::DATABASES;
use resp::{ArgsIter, parse_integer};

use super::client_filter::Purpose;
use super::client_line::{Viewer, age_seconds, flags, idle_seconds};
use crate::acl::Acl;
use crate::clients::{Client, client_flag};
use crate::error::CommandError;
use crate::parse::is;

/// A property and its value.
pub enum Property<'a> {
    /// One of these numbers.
    Ids(Vec<u64>),
    /// What it is for.
    Type(Type),
    /// Its user.
    User(&'a [u8]),
    /// Its address.
    Address(&'a [u8]),
    /// The address that it has connected to.
    LocalAddress(&'a [u8]),
    /// Its address without the port.
    Ip(&'a [u8]),
    /// At least so many seconds old.
    Age(u64),
    /// At least so many seconds idle.
    Idle(u64),
    /// All of these letters.
    Flags(&'a [u8]),
    /// Its name.
    Name(&'a [u8]),
    /// The name of its library.
    Library(&'a [u8]),
    /// The version of its library.
    LibraryVersion(&'a [u8]),
    /// Its database.
    Database(u8),
    /// All of these letters.
    Capabilities(&'a [u8]),
}

/// What a client is for. Nobody is a replica, a master or a subscriber yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Commands and replies.
    Normal,
    /// Anything else.
    Other,
}

/// The names of all filters.
const NAMES: &[&str] = &[
    "ID", "TYPE", "USER", "ADDR", "LADDR", "IP", "MAXAGE", "IDLE", "FLAGS", "NAME", "LIB-NAME",
    "LIB-VER", "DB", "CAPA", "SKIPME",
];
/// The letters that FLAGS takes.
const FLAG_LETTERS: &[u8] = b"OSMPxbtRBdcuAUreTIN";
/// The letters that CAPA takes: whether the client follows redirections.
const CAPABILITY_LETTERS: &[u8] = b"r";

impl<'a> Property<'a> {
    /// Reads the value of the named property.
    pub fn parse(
        name: &[u8],
        values: &mut ArgsIter<'a>,
        purpose: Purpose,
        acl: &Acl,
    ) -> Result<Self, CommandError> {
        let first = value(values)?;
        Ok(match () {
            () if is(name, "ID") => Self::Ids(ids(first, values, purpose)?),
            () if is(name, "TYPE") => Self::Type(client_type(first)?),
            () if is(name, "USER") => user(first, acl)?,
            () if is(name, "ADDR") => Self::Address(first),
            () if is(name, "LADDR") => Self::LocalAddress(first),
            () if is(name, "IP") => Self::Ip(first),
            () if is(name, "MAXAGE") => Self::Age(seconds(first, "maxage")?),
            () if is(name, "IDLE") => Self::Idle(seconds(first, "idle")?),
            () if is(name, "FLAGS") => Self::Flags(letters(first, FLAG_LETTERS, "flags")?),
            () if is(name, "NAME") => Self::Name(first),
            () if is(name, "LIB-NAME") => Self::Library(first),
            () if is(name, "LIB-VER") => Self::LibraryVersion(first),
            () if is(name, "DB") => Self::Database(database(first)?),
            () if is(name, "CAPA") => {
                Self::Capabilities(letters(first, CAPABILITY_LETTERS, "capa")?)
            }
            () => return Err(CommandError::Syntax),
        })
    }

    /// Whether a client has it.
    pub fn is_of(&self, client: &Client, viewer: Viewer) -> bool {
        let name_is = |name: &str, wanted: &[u8]| !name.is_empty() && name.as_bytes() == wanted;
        match self {
            Self::Ids(ids) => ids.contains(&client.id),
            Self::Type(of) => *of == Type::Normal,
            Self::User(name) => client.user.lock().name == *name,
            Self::Address(address) => client.address.as_bytes() == *address,
            Self::LocalAddress(address) => client.local_address.as_bytes() == *address,
            Self::Ip(ip) => host(client).is_some_and(|host| host.as_bytes() == *ip),
            Self::Age(seconds) => age_seconds(client, viewer) >= *seconds,
            Self::Idle(seconds) => idle_seconds(client, viewer) >= *seconds,
            Self::Flags(letters) => {
                let flags = flags(client);
                letters
                    .iter()
                    .all(|letter| flags.as_bytes().contains(letter))
            }
            Self::Name(name) => name_is(&client.names.lock().name, name),
            Self::Library(name) => name_is(&client.names.lock().library, name),
            Self::LibraryVersion(version) => name_is(&client.names.lock().library_version, version),
            Self::Database(database) => client.database.load(Relaxed) == *database,
            Self::Capabilities(letters) => {
                letters.is_empty() || client.flags.load(Relaxed) & client_flag::REDIRECT != 0
            }
        }
    }
}

/// The value of an option.
pub fn value<'a>(values: &mut ArgsIter<'a>) -> Result<&'a [u8], CommandError> {
    values.next().ok_or(CommandError::Syntax)
}

/// All numbers that follow. CLIENT LIST wants nothing else but the name of another filter after them.
fn ids(
    first: &[u8],
    values: &mut ArgsIter<'_>,
    purpose: Purpose,
) -> Result<Vec<u64>, CommandError> {
    let mut ids = vec![id(first, purpose)?];
    loop {
        let mut rest = values.clone();
        match rest.next() {
            Some(next) if parse_integer(next).is_some() => ids.push(id(next, purpose)?),
            Some(next) if purpose == Purpose::List && !is_option(next) => {
                return id(next, purpose).map(|_| ids);
            }
            _ => return Ok(ids),
        }
        *values = rest;
    }
}

fn id(argument: &[u8], purpose: Purpose) -> Result<u64, CommandError> {
    let id = parse_integer(argument);
    match purpose {
        // Numbers that nobody has are no error.
        Purpose::List => id
            .map(|id| u64::try_from(id).unwrap_or(0))
            .ok_or(CommandError::line("ERR Invalid client ID")),
        Purpose::Kill => id
            .and_then(|id| u64::try_from(id).ok())
            .filter(|id| *id > 0)
            .ok_or(CommandError::line("ERR client-id should be greater than 0")),
    }
}

fn is_option(argument: &[u8]) -> bool {
    let name = match argument.split_at_checked(4) {
        Some((prefix, name)) if is(prefix, "NOT-") => name,
        _ => argument,
    };
    NAMES.iter().any(|option| is(name, option))
}

fn client_type(name: &[u8]) -> Result<Type, CommandError> {
    const OTHERS: [&str; 5] = ["MASTER", "PRIMARY", "REPLICA", "SLAVE", "PUBSUB"];
    match () {
        () if is(name, "NORMAL") => Ok(Type::Normal),
        () if OTHERS.iter().any(|other| is(name, other)) => Ok(Type::Other),
        () => Err(CommandError::repeating("Unknown client type '", name, "'")),
    }
}

fn user<'a>(name: &'a [u8], acl: &Acl) -> Result<Property<'a>, CommandError> {
    if acl.user(name).is_some() {
        return Ok(Property::User(name));
    }
    Err(CommandError::repeating("No such user '", name, "'"))
}

fn seconds(argument: &[u8], name: &str) -> Result<u64, CommandError> {
    let seconds = parse_integer(argument).ok_or_else(|| not_an_integer(name))?;
    match u64::try_from(seconds) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(CommandError::other(format_args!(
            "{name} should be greater than 0"
        ))),
    }
}

fn not_an_integer(name: &str) -> CommandError {
    CommandError::other(format_args!("{name} is not an integer or out of range"))
}

fn letters<'a>(argument: &'a [u8], known: &[u8], name: &str) -> Result<&'a [u8], CommandError> {
    if argument.iter().all(|letter| known.contains(letter)) {
        return Ok(argument);
    }
    let before = format!("Unknown {name} found in the provided filter: ");
    Err(CommandError::repeating(&before, argument, ""))
}

fn database(argument: &[u8]) -> Result<u8, CommandError> {
    let number = parse_integer(argument)
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| not_an_integer("DB"))?;
    match u8::try_from(number) {
        Ok(database) if usize::from(database) < DATABASES => Ok(database),
        _ => Err(CommandError::other(format_args!(
            "DB number should be between 0 and {}",
            DATABASES - 1
        ))),
    }
}

/// The address without its port and the brackets of IPv6; none for a unix socket.
fn host(client: &Client) -> Option<&str> {
    let (host, _) = client.address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!client.is_unix).then_some(host)
}
