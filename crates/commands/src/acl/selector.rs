//! A set of permissions: commands, keys, channels. A user has one of its own, and any number in parentheses.

use resp::Args;

use super::keys::RequestKeys;
use super::permissions::Permissions;
use super::rule::{KeyPattern, RuleError, SelectorRule};
use crate::command::flag;
use crate::glob::{self, Case};
use crate::registry::Registered;

/// What a selector allows. A request must be allowed by one selector as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    permissions: Permissions,
    keys: Patterns<KeyPattern>,
    channels: Patterns<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Patterns<P> {
    All,
    These(Vec<P>),
}

/// Which channels a new selector allows (`acl-pubsub-default`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelsDefault {
    /// None.
    #[default]
    Reset,
    /// All.
    All,
}

/// Why a request is denied, ordered by how near it came to being allowed. With it the place of the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// The command.
    Command,
    /// A key.
    Key(usize),
}

impl Selector {
    /// One that allows nothing but, if that is the default, channels.
    pub fn new(channels: ChannelsDefault) -> Self {
        Self {
            permissions: Permissions::none(),
            keys: Patterns::These(Vec::new()),
            channels: match channels {
                ChannelsDefault::Reset => Patterns::These(Vec::new()),
                ChannelsDefault::All => Patterns::All,
            },
        }
    }

    /// One that allows everything.
    pub fn everything() -> Self {
        Self {
            permissions: Permissions::all(),
            keys: Patterns::All,
            channels: Patterns::All,
        }
    }

    /// Changes it by rules, which are separated by spaces and may be quoted.
    ///
    /// # Errors
    /// When one of them is none, or can have no effect.
    pub fn changed(mut self, rules: &[u8]) -> Result<Self, RuleError> {
        // As in Redis, no rules are read where a quote is not closed.
        let words = resp::split_arguments(rules).unwrap_or_default();
        for word in words.as_args().iter() {
            self.apply(&SelectorRule::parse(word)?)?;
        }
        Ok(self)
    }

    /// Changes it by a rule.
    ///
    /// # Errors
    /// When the rule can have no effect.
    pub fn apply(&mut self, rule: &SelectorRule) -> Result<(), RuleError> {
        match rule {
            SelectorRule::AllKeys => self.keys = Patterns::All,
            SelectorRule::ResetKeys => self.keys = Patterns::These(Vec::new()),
            SelectorRule::Keys(added) => self.add_keys(added)?,
            SelectorRule::AllChannels => self.channels = Patterns::All,
            SelectorRule::ResetChannels => self.channels = Patterns::These(Vec::new()),
            SelectorRule::Channels(added) => self.add_channels(added)?,
            SelectorRule::AllCommands(change) => self.permissions.set_all(*change),
            SelectorRule::Command(registered, change) => {
                self.permissions.set_command(registered, *change);
            }
            SelectorRule::Category(category, change) => {
                self.permissions.set_category(category, *change);
            }
            SelectorRule::FirstArgument(registered, argument) => {
                self.permissions
                    .allow_first_argument(registered, argument.clone());
            }
        }
        Ok(())
    }

    fn add_channels(&mut self, added: &Result<Vec<u8>, RuleError>) -> Result<(), RuleError> {
        let Patterns::These(channels) = &mut self.channels else {
            return Err(RuleError::AfterAllChannels);
        };
        let added = added.as_ref().map_err(|error| *error)?;
        if !channels.contains(added) {
            channels.push(added.clone());
        }
        Ok(())
    }

    fn add_keys(&mut self, added: &Result<KeyPattern, RuleError>) -> Result<(), RuleError> {
        let Patterns::These(keys) = &mut self.keys else {
            return Err(RuleError::AfterAllKeys);
        };
        let added = added.as_ref().map_err(|error| *error)?;
        match keys.iter_mut().find(|known| known.pattern == added.pattern) {
            Some(known) => known.access |= added.access,
            None => keys.push(added.clone()),
        }
        Ok(())
    }

    /// Whether it allows a request.
    ///
    /// # Errors
    /// What it does not allow.
    pub fn check(
        &self,
        registered: &Registered,
        args: Args<'_>,
        keys: &RequestKeys,
    ) -> Result<(), Denied> {
        let is_for_all = registered.command.has(flag::NO_AUTH);
        if !is_for_all && !self.permissions.allows_request(registered, args) {
            return Err(Denied::Command);
        }
        let Patterns::These(patterns) = &self.keys else {
            return Ok(());
        };
        match keys
            .iter()
            .find(|key| !may_access(patterns, args.get(key.place), key.access))
        {
            Some(key) => Err(Denied::Key(key.place)),
            None => Ok(()),
        }
    }

    /// Whether it allows everything.
    pub fn is_everything(&self) -> bool {
        self.has_all_keys() && self.has_all_channels() && self.permissions.allows_everything()
    }

    /// Its commands.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Whether it allows every key.
    pub fn has_all_keys(&self) -> bool {
        self.keys == Patterns::All
    }

    /// Whether it allows every channel.
    pub fn has_all_channels(&self) -> bool {
        self.channels == Patterns::All
    }

    /// The keys that it allows, unless it allows all.
    pub fn keys(&self) -> &[KeyPattern] {
        match &self.keys {
            Patterns::All => &[],
            Patterns::These(keys) => keys,
        }
    }

    /// The channels that it allows, unless it allows all.
    pub fn channels(&self) -> &[Vec<u8>] {
        match &self.channels {
            Patterns::All => &[],
            Patterns::These(channels) => channels,
        }
    }
}

/// Whether one pattern allows all that is done with a key.
fn may_access(patterns: &[KeyPattern], key: &[u8], access: u8) -> bool {
    patterns.iter().any(|pattern| {
        pattern.access & access == access && glob::matches(&pattern.pattern, key, Case::Sensitive)
    })
}
