//! A user: passwords and permissions.

use resp::Args;

use super::describe;
use super::keys::keys_of;
use super::password::PasswordHash;
use super::rule::{Payload, Rule, RuleError, join_selectors};
use super::selector::{ChannelsDefault, Denied, Selector};
use crate::registry::Registered;

/// The user of whoever has not authenticated as another one.
pub const DEFAULT_USER: &[u8] = b"default";

/// A user, as it is at one time. A change makes a new one with the same id.
#[derive(Clone, Debug)]
pub struct User {
    /// Its number, never used again.
    pub id: u64,
    /// Its name.
    pub name: Vec<u8>,
    is_enabled: bool,
    needs_no_password: bool,
    payload: Payload,
    passwords: Vec<PasswordHash>,
    root: Selector,
    selectors: Vec<Selector>,
    may_everything: bool,
    channels_default: ChannelsDefault,
}

/// A rule that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A parenthesis that is not closed, in the word at this place.
    Parenthesis(usize),
    /// A rule, and why.
    Rule(Vec<u8>, RuleError),
}

impl User {
    /// A new user, who may do nothing.
    pub fn new(id: u64, name: &[u8], channels: ChannelsDefault) -> Self {
        Self {
            id,
            name: name.to_vec(),
            is_enabled: false,
            needs_no_password: false,
            payload: Payload::Unsaid,
            passwords: Vec::new(),
            root: Selector::new(channels),
            selectors: Vec::new(),
            may_everything: false,
            channels_default: channels,
        }
    }

    /// The user `default` of a server that was told nothing else.
    pub fn open_default(id: u64) -> Self {
        Self {
            is_enabled: true,
            needs_no_password: true,
            root: Selector::everything(),
            may_everything: true,
            ..Self::new(id, DEFAULT_USER, ChannelsDefault::Reset)
        }
    }

    /// This user after all of these rules.
    ///
    /// # Errors
    /// The first rule that is refused.
    pub fn changed<'w>(&self, rules: impl Iterator<Item = &'w [u8]>) -> Result<Self, Fault> {
        let mut user = self.clone();
        for rule in join_selectors(rules).map_err(Fault::Parenthesis)? {
            let parsed = Rule::parse(&rule);
            let applied = parsed.and_then(|parsed| parsed.map_or(Ok(()), |it| user.apply(&it)));
            applied.map_err(|error| Fault::Rule(rule, error))?;
        }
        let may_everything = user.every_selector().any(Selector::is_everything);
        Ok(Self {
            may_everything,
            ..user
        })
    }

    /// This user with nothing but this password, or none.
    pub fn with_password(&self, password: Option<&[u8]>) -> Self {
        Self {
            needs_no_password: password.is_none(),
            passwords: password.map(PasswordHash::of).into_iter().collect(),
            ..self.clone()
        }
    }

    /// With the channels that new selectors allow from now on.
    pub fn with_channels_default(self, channels_default: ChannelsDefault) -> Self {
        Self {
            channels_default,
            ..self
        }
    }

    fn apply(&mut self, rule: &Rule) -> Result<(), RuleError> {
        match rule {
            Rule::On => self.is_enabled = true,
            Rule::Off => self.is_enabled = false,
            Rule::Payload(payload) => self.payload = *payload,
            Rule::NoPassword => {
                self.needs_no_password = true;
                self.passwords.clear();
            }
            Rule::ResetPasswords => {
                self.needs_no_password = false;
                self.passwords.clear();
            }
            Rule::AddPassword(hash) => {
                if !self.passwords.contains(hash) {
                    self.passwords.push(*hash);
                }
                self.needs_no_password = false;
            }
            Rule::RemovePassword(hash) => {
                let place = self.passwords.iter().position(|known| known == hash);
                self.passwords
                    .remove(place.ok_or(RuleError::NoSuchPassword)?);
            }
            Rule::AddSelector(rules) => {
                let selector = Selector::new(self.channels_default);
                self.selectors.push(selector.changed(rules)?);
            }
            Rule::ClearSelectors => self.selectors.clear(),
            Rule::Reset => {
                *self = Self {
                    payload: Payload::Sanitize,
                    ..Self::new(self.id, &self.name, self.channels_default)
                };
            }
            Rule::Root(rule) => self.root.apply(rule)?,
        }
        Ok(())
    }

    /// Whether it may log in with the password of this hash.
    pub fn accepts(&self, hash: &PasswordHash) -> bool {
        if !self.is_enabled {
            return false;
        }
        // All of them are compared, whichever it is.
        let is_known = self
            .passwords
            .iter()
            .fold(false, |is_known, known| is_known | known.is(hash));
        self.needs_no_password || is_known
    }

    /// Whether nobody has to log in to be this user, if it is the default one.
    pub fn is_open(&self) -> bool {
        self.is_enabled && self.needs_no_password
    }

    /// Whether it may log in.
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Whether every password is right.
    pub fn needs_no_password(&self) -> bool {
        self.needs_no_password
    }

    /// Whether nothing is denied to it.
    pub fn may_everything(&self) -> bool {
        self.may_everything
    }

    /// Whether it may make a request.
    ///
    /// # Errors
    /// What is denied: what the selector that came nearest did not allow.
    pub fn check(&self, registered: &Registered, args: Args<'_>) -> Result<(), Denied> {
        if self.may_everything {
            return Ok(());
        }
        let keys = keys_of(registered, args);
        let mut nearest = Denied::Command;
        for selector in self.every_selector() {
            match selector.check(registered, args, &keys) {
                Ok(()) => return Ok(()),
                Err(denied) => nearest = nearest.max(denied),
            }
        }
        Err(nearest)
    }

    fn every_selector(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Its own permissions.
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// Those in parentheses.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Its passwords.
    pub fn passwords(&self) -> &[PasswordHash] {
        &self.passwords
    }

    /// Its flags, as ACL GETUSER lists them.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let payload = match self.payload {
            Payload::Unsaid => None,
            Payload::Skip => Some("skip-sanitize-payload"),
            Payload::Sanitize => Some("sanitize-payload"),
        };
        let enabled = if self.is_enabled { "on" } else { "off" };
        let without = self.needs_no_password.then_some("nopass");
        [Some(enabled), without, payload].into_iter().flatten()
    }

    /// The line of the ACL file that makes this user.
    pub fn line(&self) -> Vec<u8> {
        let mut words = vec![b"user".to_vec(), self.name.clone()];
        words.extend(self.rules());
        words.join(&b' ')
    }

    /// The rules that make this user of a new one.
    pub fn rules(&self) -> Vec<Vec<u8>> {
        let flags = self.flags().map(|flag| flag.as_bytes().to_vec());
        let passwords = self.passwords.iter();
        let passwords = passwords.map(|hash| format!("#{}", hash.to_hex()).into_bytes());
        let mut rules: Vec<Vec<u8>> = flags.chain(passwords).collect();
        rules.extend(describe::words(&self.root));
        rules.extend(self.selectors.iter().map(describe::selector_rule));
        rules
    }
}
