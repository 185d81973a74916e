//! Whether the prefixes of a command's keys have room for what it may add.

use keyspace::{Group, Room};
use resp::Args;

use crate::command::{Locks, flag, key_flag};
use crate::registry::Registered;
use crate::session::{Queued, Session};

/// [`Room::None`] if one of the keys that a command writes has none, else [`Room::Soon`] if one has none yet. Of EXEC's
/// commands those are asked that are refused without memory.
#[cold]
pub fn of_keys(
    group: &Group<'_>,
    session: &Session,
    registered: &Registered,
    args: Args<'_>,
) -> Room {
    let mut room = Room::Enough;
    match (registered.command.locks, &session.transaction) {
        (Locks::Transaction, Some(transaction)) => {
            for Queued { registered, args } in &transaction.queued {
                add(group, registered, args.as_args(), &mut room);
            }
        }
        _ => add(group, registered, args, &mut room),
    }
    room
}

fn add(group: &Group<'_>, registered: &Registered, args: Args<'_>, room: &mut Room) {
    if !registered.command.has(flag::DENYOOM) {
        return;
    }
    for spec in registered.command.keys {
        if spec.flags & key_flag::RO == 0 {
            spec.for_each_place(args, |place| {
                *room = less(*room, group.room_of(args.get(place)));
            });
        }
    }
}

/// The one that leaves less.
fn less(left: Room, right: Room) -> Room {
    match (left, right) {
        (Room::None, _) | (_, Room::None) => Room::None,
        (Room::Soon, _) | (_, Room::Soon) => Room::Soon,
        (Room::Enough | Room::ByPrefix, Room::Enough | Room::ByPrefix) => Room::Enough,
    }
}
