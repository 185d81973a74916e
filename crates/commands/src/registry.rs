//! All commands, and how one is found by its name.

use std::sync::LazyLock;

use resp::Args;

use crate::command::{Command, Find, KeySpec, Locks};
use crate::{connection, keys, server, strings, transactions};

/// The families. A new one joins here.
const FAMILIES: &[&[Command]] = &[
    strings::COMMANDS,
    keys::COMMANDS,
    connection::COMMANDS,
    transactions::COMMANDS,
    server::COMMANDS,
];

/// A command or subcommand that can be executed.
pub struct Registered {
    /// Its row.
    pub command: &'static Command,
    /// Its name as statistics know it: `get`, `client|list`.
    pub full_name: String,
    /// Its place in [`Registry::all`].
    pub id: usize,
    /// Whether it locks exactly one key.
    pub has_one_key: bool,
    /// Where the keys are that are hashed and prefetched before it runs: those of its only spec, if it has one.
    pub hashed: Option<KeySpec>,
    /// Its first and last place in [`Registry::all`] of its subcommands.
    subcommands: std::ops::Range<usize>,
}

/// The table of commands.
pub struct Registry {
    all: Vec<Registered>,
    /// Places in `all` plus one, by [`slot`] of the name; 0 is free.
    slots: Box<[u16]>,
    /// The factor for which no two names share a slot.
    factor: u64,
}

/// Slots of the lookup; a power of two.
const SLOTS: usize = 1024;

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

    /// The commands without the subcommands.
    pub fn commands(&self) -> impl Iterator<Item = &Registered> {
        self.all
            .iter()
            .filter(|registered| !registered.full_name.contains('|'))
    }

    /// The subcommands of a command.
    pub fn subcommands(&self, parent: &Registered) -> &[Registered] {
        &self.all[parent.subcommands.clone()]
    }

    /// The command of that name, in any case. Not its subcommand.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Registered> {
        let place = self.slots[slot(self.factor, name)];
        let registered = self.all.get(usize::from(place).checked_sub(1)?)?;
        registered
            .command
            .name
            .as_bytes()
            .eq_ignore_ascii_case(name)
            .then_some(registered)
    }

    /// The subcommand of that name, in any case.
    pub fn find_subcommand(&self, parent: &Registered, name: &[u8]) -> Option<&Registered> {
        let is_named =
            |child: &&Registered| child.command.name.as_bytes().eq_ignore_ascii_case(name);
        self.subcommands(parent).iter().find(is_named)
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
        let hashed = hashed_spec(command);
        Self {
            command,
            full_name,
            id,
            has_one_key: hashed.is_some_and(|spec| spec.find == ONE),
            hashed,
            subcommands: 0..0,
        }
    }

    /// Whether this is a container whose subcommand was not named or does not exist.
    pub fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }
}

/// How a single key is found.
const ONE: Find = Find::Range { last: 0, step: 1 };

fn hashed_spec(command: &Command) -> Option<KeySpec> {
    match (command.locks, command.keys) {
        (Locks::Keys, [spec]) => Some(*spec),
        _ => None,
    }
}

/// Where a name falls: its length, its first and its last eight bytes, without regard to case.
#[inline]
fn slot(factor: u64, name: &[u8]) -> usize {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word) | CASE
    };
    let (first, last) = match name.len() {
        0..=8 => (word(name), 0),
        len => (word(&name[..8]), word(&name[len - 8..])),
    };
    let mixed = (first ^ last.rotate_left(23) ^ name.len() as u64).wrapping_mul(factor);
    (mixed >> 40) as usize % SLOTS
}

/// A factor for which every name has a slot of its own, and the slots.
fn perfect_hash(commands: &[&Registered]) -> (u64, Box<[u16]>) {
    let mut factor = 0x9e37_79b9_7f4a_7c15u64;
    loop {
        if let Some(slots) = try_slots(factor, commands) {
            return (factor, slots);
        }
        factor = factor.wrapping_mul(0xd134_2543_de82_ef95) | 1;
    }
}

fn try_slots(factor: u64, commands: &[&Registered]) -> Option<Box<[u16]>> {
    let mut slots = vec![0u16; SLOTS].into_boxed_slice();
    for registered in commands {
        let place = &mut slots[slot(factor, registered.command.name.as_bytes())];
        if *place != 0 {
            return None;
        }
        *place = registered.id as u16 + 1;
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
            assert!(command.run as usize != base, "{name} has no handler");
        }
    }
}
