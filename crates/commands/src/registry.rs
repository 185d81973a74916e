//! All commands, and how one is found by its name.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use resp::Args;

use crate::command::{Command, KeySpec, Locks, ManyReader, Reader};
use crate::context::Hashed;
use crate::{
    acl, bitmaps, connection, geo, hashes, hyperloglog, keys, lists, server, sets, sorted_sets,
    strings, transactions,
};

/// The families. A new one joins here.
const FAMILIES: &[&[Command]] = &[
    strings::COMMANDS,
    hashes::COMMANDS,
    lists::COMMANDS,
    sets::COMMANDS,
    sorted_sets::COMMANDS,
    bitmaps::COMMANDS,
    hyperloglog::COMMANDS,
    geo::COMMANDS,
    keys::COMMANDS,
    connection::COMMANDS,
    transactions::COMMANDS,
    server::COMMANDS,
    acl::command::COMMANDS,
];

/// A command or subcommand that can be executed.
pub struct Registered {
    /// Its row.
    pub command: &'static Command,
    /// Its name as statistics know it: `get`, `client|list`.
    pub full_name: String,
    /// Its place in [`Registry::all`].
    pub id: usize,
    /// Its row's reader.
    pub reader: Option<Reader>,
    /// Its row's reader of several keys.
    pub many_reader: Option<ManyReader>,
    /// Whether its name is told by [`Folded`]: by at most sixteen letters.
    is_folded: bool,
    /// Whether it locks exactly one key.
    pub has_one_key: bool,
    /// Its row's arity as the fewest and the most arguments.
    arguments_min: usize,
    arguments_max: usize,
    /// Where the keys are that are hashed and prefetched before it runs: those of its only spec, if it has one.
    pub hashed: Option<KeySpec>,
    /// Their places, without the hashes.
    pub(crate) key_places: Hashed<'static>,
    /// See [`Registry::disable`].
    is_disabled: AtomicBool,
    /// Its first and last place in [`Registry::all`] of its subcommands.
    subcommands: std::ops::Range<usize>,
}

/// The table of commands.
pub struct Registry {
    all: Vec<Registered>,
    /// By [`Folded::slot`] of the name.
    slots: Box<[Slot]>,
    /// The factor for which no two names share a slot.
    factor: u64,
}

/// Bytes that [`Folded`] tells apart.
const FOLDED_BYTES: usize = 16;

/// Slots of the lookup; a power of two, and large enough that some factor gives every name a slot of its own.
const SLOTS: usize = 8192;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// The table of all commands.
pub fn registry() -> &'static Registry {
    &REGISTRY
}

impl Registry {
    fn new() -> Self {
        let mut all: Vec<Registered> = Vec::new();
        for command in FAMILIES.iter().copied().flatten() {
            all.push(Registered::new(command, command.name.to_owned(), all.len()));
        }
        for parent in 0..all.len() {
            let first = all.len();
            for command in all[parent].command.subcommands {
                let full_name = format!("{}|{}", all[parent].full_name, command.name);
                all.push(Registered::new(command, full_name, all.len()));
            }
            all[parent].subcommands = first..all.len();
        }
        let top: Vec<&Registered> = all
            .iter()
            .filter(|registered| !registered.full_name.contains('|'))
            .collect();
        let (factor, slots) = perfect_hash(&top);
        Self { all, slots, factor }
    }

    /// Every command and subcommand; a subcommand comes after all commands.
    pub fn all(&self) -> &[Registered] {
        &self.all
    }

    /// The commands without the subcommands, and without those that are disabled.
    pub fn commands(&self) -> impl Iterator<Item = &Registered> {
        self.all
            .iter()
            .filter(|registered| !registered.is_subcommand() && !registered.is_disabled())
    }

    /// Takes a command or subcommand away from clients, for as long as the process lives. To be called before the first
    /// request. It keeps its id, and what users may do is still said with its name.
    pub fn disable(&self, name: &[u8]) {
        let Some(registered) = self.named(name) else {
            return;
        };
        registered.is_disabled.store(true, Relaxed);
        let own = registered.id + 1;
        for slot in &self.slots {
            if slot.place.load(Relaxed) == own {
                slot.place.store(0, Relaxed);
            }
        }
    }

    /// The subcommands of a command.
    pub fn subcommands(&self, parent: &Registered) -> &[Registered] {
        &self.all[parent.subcommands.clone()]
    }

    /// The command of that name, in any case. Not its subcommand.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Registered> {
        let folded = Folded::new(name);
        let slot = &self.slots[folded.slot(self.factor)];
        if slot.name != folded {
            return None;
        }
        let registered = self.all.get(slot.place.load(Relaxed).checked_sub(1)?)?;
        let is_it =
            registered.is_folded || name.eq_ignore_ascii_case(registered.full_name.as_bytes());
        is_it.then_some(registered)
    }

    /// The command or subcommand of that name, in any case: `get`, `client|list`.
    pub fn named(&self, name: &[u8]) -> Option<&Registered> {
        let is_named =
            |registered: &&Registered| name.eq_ignore_ascii_case(registered.full_name.as_bytes());
        self.all.iter().find(is_named)
    }

    /// The subcommand of that name, in any case.
    pub fn find_subcommand(&self, parent: &Registered, name: &[u8]) -> Option<&Registered> {
        let is_named =
            |child: &&Registered| child.command.name.as_bytes().eq_ignore_ascii_case(name);
        let found = self.subcommands(parent).iter().find(is_named)?;
        (!found.is_disabled()).then_some(found)
    }

    /// The command that a request names: a subcommand where there is one of that name, else its container.
    #[inline]
    pub fn resolve(&self, args: Args<'_>) -> Option<&Registered> {
        let registered = self.find(args.name())?;
        if registered.subcommands.is_empty() || args.len() < 2 {
            return Some(registered);
        }
        Some(
            self.find_subcommand(registered, args.get(1))
                .unwrap_or(registered),
        )
    }
}

impl Registered {
    fn new(command: &'static Command, full_name: String, id: usize) -> Self {
        let has_letters_only = full_name.bytes().all(|byte| byte.is_ascii_lowercase());
        let hashed = hashed_spec(command);
        Self {
            command,
            is_folded: has_letters_only && full_name.len() <= FOLDED_BYTES,
            full_name,
            id,
            reader: command.reader,
            many_reader: command.many_reader,
            arguments_min: command.arity.unsigned_abs() as usize,
            arguments_max: usize::try_from(command.arity).unwrap_or(usize::MAX),
            has_one_key: hashed.is_some_and(|spec| spec.find == KeySpec::ONE),
            hashed,
            key_places: hashed.map_or(Hashed::default(), |spec| Hashed {
                first: spec.first_place(),
                step: spec.step(),
                hashes: &[],
                place: 0,
            }),
            is_disabled: AtomicBool::new(false),
            subcommands: 0..0,
        }
    }

    /// As [`Command::takes`].
    #[inline]
    pub fn takes(&self, arguments: usize) -> bool {
        (self.arguments_min..=self.arguments_max).contains(&arguments)
    }

    /// See [`Registry::disable`].
    pub fn is_disabled(&self) -> bool {
        self.is_disabled.load(Relaxed)
    }

    /// Whether this is a subcommand of a container.
    pub fn is_subcommand(&self) -> bool {
        self.full_name.len() != self.command.name.len()
    }

    /// Whether this is a container whose subcommand was not named or does not exist.
    pub fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }
}

fn hashed_spec(command: &Command) -> Option<KeySpec> {
    match (command.locks, command.keys) {
        (Locks::Keys, [spec]) => Some(*spec),
        _ => None,
    }
}

/// A name of up to 16 letters as two words: its first and its last eight bytes, without regard to case. A name of
/// letters only equals another name exactly if its words and its length do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Folded {
    first: u64,
    last: u64,
    len: usize,
}

impl Folded {
    #[inline]
    fn new(name: &[u8]) -> Self {
        const CASE: u64 = 0x2020_2020_2020_2020;
        let (first, last) = match name {
            [first @ .., _] if first.len() < 8 => (short_word(name), 0),
            [] => (0, 0),
            _ => {
                let (first, last) = (name.first_chunk::<8>(), name.last_chunk::<8>());
                (
                    first.copied().map_or(0, u64::from_le_bytes),
                    last.copied().map_or(0, u64::from_le_bytes),
                )
            }
        };
        Self {
            first: first | CASE,
            last: last | CASE,
            len: name.len(),
        }
    }

    /// Where it falls in a table with this factor.
    #[inline]
    fn slot(self, factor: u64) -> usize {
        let mixed = self.first ^ self.last.rotate_left(23) ^ self.len as u64;
        (mixed.wrapping_mul(factor) >> 40) as usize % SLOTS
    }
}

/// Up to eight bytes as a word.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let shift = 8 * (bytes.len() - 4);
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << shift;
    }
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// One place of the lookup: a name and its place in [`Registry::all`] plus one; 0 is free.
#[derive(Debug, Default)]
struct Slot {
    name: Folded,
    place: AtomicUsize,
}

/// A factor for which every name has a slot of its own, and the slots.
fn perfect_hash(commands: &[&Registered]) -> (u64, Box<[Slot]>) {
    let mut factor = 0x9e37_79b9_7f4a_7c15u64;
    loop {
        if let Some(slots) = try_slots(factor, commands) {
            return (factor, slots);
        }
        factor = factor.wrapping_mul(0xd134_2543_de82_ef95) | 1;
    }
}

fn try_slots(factor: u64, commands: &[&Registered]) -> Option<Box<[Slot]>> {
    let mut slots: Box<[Slot]> = (0..SLOTS).map(|_| Slot::default()).collect();
    for registered in commands {
        let name = Folded::new(registered.command.name.as_bytes());
        let slot = &mut slots[name.slot(factor)];
        if slot.place.load(Relaxed) != 0 {
            return None;
        }
        *slot = Slot {
            name,
            place: AtomicUsize::new(registered.id + 1),
        };
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::registry;
    use crate::command::flag;

    #[test]
    fn every_command_is_found_by_its_name_in_any_case() {
        for registered in registry().commands() {
            for name in [
                registered.full_name.clone(),
                registered.full_name.to_uppercase(),
            ] {
                let found = registry().find(name.as_bytes()).expect("it is registered");
                assert_eq!(found.id, registered.id);
            }
        }
        for name in [
            "",
            "ge",
            "gett",
            "x",
            "incrbyfloa",
            "a name that is longer than any",
        ] {
            assert!(registry().find(name.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_nearly_a_name_is_none() {
        for name in ["bitfield\x7fro", "pfselftesx", "georadixxbymember"] {
            assert!(registry().find(name.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn every_row_is_complete() {
        for registered in registry().all() {
            let (command, name) = (registered.command, &registered.full_name);
            assert!(!command.summary.is_empty(), "{name} has no summary");
            assert!(
                !command.summary.ends_with('.'),
                "{name}: no full stop after the summary"
            );
            assert!(command.arity != 0, "{name} has no arity");
            assert_eq!(command.name, command.name.to_lowercase());
            assert!(
                !(command.has(flag::WRITE) && command.has(flag::READONLY)),
                "{name}"
            );
            let base = crate::command::Command::BASE.run as usize;
            let has_handler = command.run as usize != base;
            assert!(
                has_handler != command.reader.is_some(),
                "{name} needs a handler or a reader"
            );
            assert!(
                command.reader.is_none() || registered.has_one_key,
                "{name} does not read one key"
            );
            assert!(
                command.element < command.arity.unsigned_abs() as usize,
                "{name} always has its element"
            );
        }
    }
}
