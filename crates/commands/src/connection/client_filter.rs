//! The filters of CLIENT LIST and CLIENT KILL: which connections are meant.

use std::mem::discriminant;
use std::sync::Arc;

use resp::{Args, ArgsIter};

use super::client_line::Viewer;
use super::client_property::{Property, value};
use crate::acl::Acl;
use crate::clients::{Client, Clients};
use crate::error::CommandError;
use crate::parse::is;

/// How the filters are written, between what is put around them.
macro_rules! syntax {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "[ID client-id [client-id ...]] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [USER username] [ADDR ip:port] \
             [LADDR ip:port] [IP ip] [SKIPME <YES | NO>] [MAXAGE seconds] [IDLE seconds] [FLAGS flags] [NAME name] \
             [LIB-NAME lib-name] [LIB-VER lib-ver] [DB db] [CAPA capa] [NOT-ID client-id [client-id ...]] \
             [NOT-TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [NOT-USER username] [NOT-ADDR ip:port] \
             [NOT-LADDR ip:port] [NOT-IP ip] [NOT-FLAGS flags] [NOT-NAME name] [NOT-LIB-NAME lib-name] \
             [NOT-LIB-VER lib-ver] [NOT-DB db] [NOT-CAPA capa]",
            $after
        )
    };
}
pub(super) use syntax;

/// What the filters are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// CLIENT LIST, with the one who asks.
    List,
    /// CLIENT KILL, without.
    Kill,
}

/// Connections that fit every condition.
pub struct Filters<'a> {
    conditions: Vec<Condition<'a>>,
    skips_viewer: bool,
}

/// A property that a connection must have or, with `NOT-`, must not.
struct Condition<'a> {
    sense: Sense,
    property: Property<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Is,
    IsNot,
}

impl<'a> Filters<'a> {
    /// Reads options and their values.
    pub fn parse(args: Args<'a>, purpose: Purpose, acl: &Acl) -> Result<Self, CommandError> {
        let mut filters = Self {
            conditions: Vec::new(),
            skips_viewer: purpose == Purpose::Kill,
        };
        let mut rest = args.iter();
        while let Some(option) = rest.next() {
            if is(option, "SKIPME") {
                filters.skips_viewer = yes_or_no(value(&mut rest)?)?;
            } else {
                filters.add(option, &mut rest, purpose, acl)?;
            }
        }
        Ok(filters)
    }

    /// Adds a condition. Of two of one name the last one counts.
    fn add(
        &mut self,
        option: &[u8],
        values: &mut ArgsIter<'a>,
        purpose: Purpose,
        acl: &Acl,
    ) -> Result<(), CommandError> {
        let (sense, name) = match option.split_at_checked(4) {
            Some((prefix, name)) if is(prefix, "NOT-") => (Sense::IsNot, name),
            _ => (Sense::Is, option),
        };
        if sense == Sense::IsNot && (is(name, "MAXAGE") || is(name, "IDLE")) {
            return Err(CommandError::Syntax);
        }
        let property = Property::parse(name, values, purpose, acl)?;
        let kind = discriminant(&property);
        self.conditions.retain(|condition| {
            condition.sense != sense || discriminant(&condition.property) != kind
        });
        self.conditions.push(Condition { sense, property });
        Ok(())
    }

    /// The connections among which those are that fit: those of the ID option in its order, or all.
    pub fn candidates(&self, clients: &Clients) -> Vec<Arc<Client>> {
        let ids = self.conditions.iter().find_map(|condition| {
            match (condition.sense, &condition.property) {
                (Sense::Is, Property::Ids(ids)) => Some(ids),
                _ => None,
            }
        });
        match ids {
            Some(ids) => ids.iter().filter_map(|id| clients.get(*id)).collect(),
            None => clients.all(),
        }
    }

    /// Whether a connection is meant.
    pub fn fit(&self, client: &Client, viewer: Viewer) -> bool {
        let is_skipped = self.skips_viewer && client.id == viewer.id;
        let is_met = |condition: &Condition<'_>| {
            condition.property.is_of(client, viewer) == (condition.sense == Sense::Is)
        };
        !is_skipped && self.conditions.iter().all(is_met)
    }
}

fn yes_or_no(argument: &[u8]) -> Result<bool, CommandError> {
    match () {
        () if is(argument, "YES") => Ok(true),
        () if is(argument, "NO") => Ok(false),
        () => Err(CommandError::Syntax),
    }
}
