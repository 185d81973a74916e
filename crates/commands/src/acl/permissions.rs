//! Which commands may be run: one bit for each command and subcommand of the table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use resp::Args;

use super::rule::Change;
use crate::categories::CATEGORIES;
use crate::registry::{Registered, registry};

const WORD_BITS: usize = u64::BITS as usize;

/// The commands of each category.
static OF_CATEGORY: LazyLock<BTreeMap<&str, Box<[u64]>>> = LazyLock::new(|| {
    let of_category = |category: &&'static str| {
        let mut commands = Permissions::none();
        for registered in registry().all() {
            if registered.command.is_in(category) {
                commands.set(registered.id, Change::Allow);
            }
        }
        (*category, commands.bits)
    };
    CATEGORIES.iter().map(of_category).collect()
});

/// Which commands may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// By the command's id.
    bits: Box<[u64]>,
    /// Whether they were made from all commands by taking some away, so that later versions' commands are allowed too.
    begins_with_all: bool,
    /// For commands that are denied: first arguments with which they are allowed all the same, by the command's id.
    first_arguments: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Permissions {
    /// None.
    pub fn none() -> Self {
        Self {
            bits: vec![0; registry().all().len().div_ceil(WORD_BITS)].into(),
            begins_with_all: false,
            first_arguments: BTreeMap::new(),
        }
    }

    /// All commands.
    pub fn all() -> Self {
        let mut all = Self::none();
        all.set_all(Change::Allow);
        all
    }

    /// Allows or denies all commands.
    pub fn set_all(&mut self, change: Change) {
        self.begins_with_all = change == Change::Allow;
        self.first_arguments.clear();
        for registered in registry().all() {
            self.set(registered.id, change);
        }
    }

    /// Allows or denies a command with its subcommands.
    pub fn set_command(&mut self, registered: &Registered, change: Change) {
        self.set(registered.id, change);
        self.first_arguments.remove(&registered.id);
        for subcommand in registry().subcommands(registered) {
            self.set(subcommand.id, change);
        }
    }

    /// Allows or denies the commands of a category.
    pub fn set_category(&mut self, category: &str, change: Change) {
        for registered in registry().all() {
            if registered.command.is_in(category) {
                self.set_command(registered, change);
            }
        }
    }

    /// Allows a command with this first argument.
    pub fn allow_first_argument(&mut self, registered: &Registered, argument: Vec<u8>) {
        let known = self.first_arguments.entry(registered.id).or_default();
        if !known
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&argument))
        {
            known.push(argument);
        }
    }

    fn set(&mut self, id: usize, change: Change) {
        let (word, bit) = (&mut self.bits[id / WORD_BITS], 1 << (id % WORD_BITS));
        match change {
            Change::Allow => *word |= bit,
            Change::Deny => *word &= !bit,
        }
    }

    /// Whether the command with this id is allowed, whatever its arguments are.
    pub fn allows(&self, id: usize) -> bool {
        self.bits[id / WORD_BITS] & 1 << (id % WORD_BITS) != 0
    }

    /// Whether a command is allowed with these arguments.
    pub fn allows_request(&self, registered: &Registered, args: Args<'_>) -> bool {
        self.allows(registered.id) || self.allows_by_first_argument(registered, args)
    }

    fn allows_by_first_argument(&self, registered: &Registered, args: Args<'_>) -> bool {
        let first = args.try_get(1);
        self.first_arguments_of(registered)
            .iter()
            .any(|allowed| first.is_some_and(|first| first.eq_ignore_ascii_case(allowed)))
    }

    /// The first arguments with which a command is allowed that is denied otherwise.
    pub fn first_arguments_of(&self, registered: &Registered) -> &[Vec<u8>] {
        let known = self.first_arguments.get(&registered.id);
        known.map_or(&[], Vec::as_slice)
    }

    /// Whether every command is allowed.
    pub fn allows_everything(&self) -> bool {
        registry()
            .all()
            .iter()
            .all(|registered| self.allows(registered.id))
    }

    /// Whether they were made from all commands by taking some away.
    pub fn begins_with_all(&self) -> bool {
        self.begins_with_all
    }

    /// How many commands of a category are allowed, and how many are not.
    pub fn count(&self, category: &str) -> (usize, usize) {
        let of_category = OF_CATEGORY.get(category).map_or(&[][..], AsRef::as_ref);
        let words = of_category.iter().zip(&self.bits);
        words.fold((0, 0), |(allowed, denied), (commands, bits)| {
            (
                allowed + (commands & bits).count_ones() as usize,
                denied + (commands & !bits).count_ones() as usize,
            )
        })
    }
}
