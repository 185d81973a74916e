//! Rules: what ACL SETUSER, the ACL file and the configuration say of a user, one word each.

use super::password::PasswordHash;
use crate::categories::CATEGORIES;
use crate::registry::{Registered, registry};

/// A rule about a user.
pub enum Rule {
    /// `on`
    On,
    /// `off`
    Off,
    /// `sanitize-payload` and `skip-sanitize-payload`, which are kept and shown.
    Payload(Payload),
    /// `nopass`
    NoPassword,
    /// `resetpass`
    ResetPasswords,
    /// `>password` or `#hash`
    AddPassword(PasswordHash),
    /// `<password` or `!hash`
    RemovePassword(PasswordHash),
    /// `(rule rule ...)`: what stands between the parentheses.
    AddSelector(Vec<u8>),
    /// `clearselectors`
    ClearSelectors,
    /// `reset`
    Reset,
    /// A rule for the user's own permissions.
    Root(SelectorRule),
}

/// What is said about payloads of RESTORE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing.
    Unsaid,
    /// They are not checked.
    Skip,
    /// They are checked.
    Sanitize,
}

/// A rule about permissions: those of a user, or of one of its selectors.
pub enum SelectorRule {
    /// `allkeys`
    AllKeys,
    /// `resetkeys`
    ResetKeys,
    /// `~pattern`, `%R~pattern`, `%W~pattern`, `%RW~pattern`. That it is wrong is looked at last.
    Keys(Result<KeyPattern, RuleError>),
    /// `allchannels`
    AllChannels,
    /// `resetchannels`
    ResetChannels,
    /// `&pattern`
    Channels(Result<Vec<u8>, RuleError>),
    /// `allcommands`, `nocommands`
    AllCommands(Change),
    /// `+command`, `-command`
    Command(&'static Registered, Change),
    /// `+@category`, `-@category`
    Category(&'static str, Change),
    /// `+command|argument`
    FirstArgument(&'static Registered, Vec<u8>),
}

/// Whether a rule gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `+`
    Allow,
    /// `-`
    Deny,
}

/// Keys, and what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    /// The pattern that the keys match.
    pub pattern: Vec<u8>,
    /// See [`access`].
    pub access: u8,
}

/// What may be done with a key, or is done with it.
pub mod access {
    /// Its value becomes known.
    pub const READ: u8 = 1 << 0;
    /// It is changed, made or removed.
    pub const WRITE: u8 = 1 << 1;
    /// Both.
    pub const ALL: u8 = READ | WRITE;
}

/// Why a rule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// It is no rule.
    Syntax,
    /// There is no command or category of that name.
    Unknown,
    /// There is `~*` already.
    AfterAllKeys,
    /// There is `&*` already.
    AfterAllChannels,
    /// The user does not have that password.
    NoSuchPassword,
    /// Not 64 hexadecimal digits.
    Hash,
    /// `+command|subcommand|argument`
    FirstArgumentOfSubcommand,
}

impl RuleError {
    /// The reason as Redis words it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Syntax => "Syntax error",
            Self::Unknown => "Unknown command or category name in ACL",
            Self::AfterAllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            Self::AfterAllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            Self::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            Self::Hash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            Self::FirstArgumentOfSubcommand => {
                "Allowing first-arg of a subcommand is not supported"
            }
        }
    }
}

impl Rule {
    /// Reads a rule; `None` for an empty word, which means nothing.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(word: &[u8]) -> Result<Option<Self>, RuleError> {
        let Some((&first, rest)) = word.split_first() else {
            return Ok(None);
        };
        let named = match word.to_ascii_lowercase().as_slice() {
            b"on" => Some(Self::On),
            b"off" => Some(Self::Off),
            b"skip-sanitize-payload" => Some(Self::Payload(Payload::Skip)),
            b"sanitize-payload" => Some(Self::Payload(Payload::Sanitize)),
            b"nopass" => Some(Self::NoPassword),
            b"resetpass" => Some(Self::ResetPasswords),
            b"clearselectors" => Some(Self::ClearSelectors),
            b"reset" => Some(Self::Reset),
            _ => None,
        };
        if named.is_some() {
            return Ok(named);
        }
        let rule = match (first, rest) {
            (b'>', _) => Self::AddPassword(PasswordHash::of(rest)),
            (b'<', _) => Self::RemovePassword(PasswordHash::of(rest)),
            (b'#', _) => Self::AddPassword(PasswordHash::parse(rest).ok_or(RuleError::Hash)?),
            (b'!', _) => Self::RemovePassword(PasswordHash::parse(rest).ok_or(RuleError::Hash)?),
            (b'(', [rules @ .., b')']) => Self::AddSelector(rules.to_vec()),
            _ => Self::Root(SelectorRule::parse(word)?),
        };
        Ok(Some(rule))
    }
}

impl SelectorRule {
    /// Reads a rule.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(word: &[u8]) -> Result<Self, RuleError> {
        match word.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => return Ok(Self::AllKeys),
            b"resetkeys" => return Ok(Self::ResetKeys),
            b"allchannels" | b"&*" => return Ok(Self::AllChannels),
            b"resetchannels" => return Ok(Self::ResetChannels),
            b"allcommands" | b"+@all" => return Ok(Self::AllCommands(Change::Allow)),
            b"nocommands" | b"-@all" => return Ok(Self::AllCommands(Change::Deny)),
            _ => {}
        }
        match word {
            [b'~', pattern @ ..] => Ok(Self::Keys(checked(pattern).map(|pattern| KeyPattern {
                pattern,
                access: access::ALL,
            }))),
            [b'%', rest @ ..] => Ok(Self::Keys(parse_key_pattern(rest))),
            [b'&', pattern @ ..] => Ok(Self::Channels(checked(pattern))),
            [b'+', b'@', name @ ..] => Ok(Self::Category(category(name)?, Change::Allow)),
            [b'-', b'@', name @ ..] => Ok(Self::Category(category(name)?, Change::Deny)),
            [b'+', name @ ..] => parse_allowed(name),
            [b'-', name @ ..] => Ok(Self::Command(command(name)?, Change::Deny)),
            _ => Err(RuleError::Syntax),
        }
    }
}

/// What follows `%`: letters, `~` and the pattern.
fn parse_key_pattern(rest: &[u8]) -> Result<KeyPattern, RuleError> {
    let end = rest.iter().position(|byte| *byte == b'~');
    let (letters, pattern) = match end {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, &[][..]),
    };
    let mut given = 0;
    for letter in letters {
        let access = match letter.to_ascii_uppercase() {
            b'R' => access::READ,
            b'W' => access::WRITE,
            _ => return Err(RuleError::Syntax),
        };
        if given & access != 0 {
            return Err(RuleError::Syntax);
        }
        given |= access;
    }
    if given == 0 {
        return Err(RuleError::Syntax);
    }
    Ok(KeyPattern {
        pattern: checked(pattern)?,
        access: given,
    })
}

/// What follows `+`: a command, a subcommand, or a command and its first argument.
fn parse_allowed(name: &[u8]) -> Result<SelectorRule, RuleError> {
    let Some(at) = name.iter().rposition(|byte| *byte == b'|') else {
        return Ok(SelectorRule::Command(command(name)?, Change::Allow));
    };
    let (before, argument) = (&name[..at], &name[at + 1..]);
    let parent = command(before)?;
    if parent.is_subcommand() {
        return Err(RuleError::FirstArgumentOfSubcommand);
    }
    if argument.is_empty() {
        return Err(RuleError::Syntax);
    }
    if parent.is_container() {
        return Ok(SelectorRule::Command(command(name)?, Change::Allow));
    }
    Ok(SelectorRule::FirstArgument(parent, checked(argument)?))
}

fn command(name: &[u8]) -> Result<&'static Registered, RuleError> {
    registry().named(name).ok_or(RuleError::Unknown)
}

fn category(name: &[u8]) -> Result<&'static str, RuleError> {
    let known = CATEGORIES.iter().copied();
    let mut named = known.filter(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    named.next().ok_or(RuleError::Unknown)
}

/// A pattern without spaces, which would break the lists that users are written in.
fn checked(pattern: &[u8]) -> Result<Vec<u8>, RuleError> {
    if has_spaces(pattern) {
        return Err(RuleError::Syntax);
    }
    Ok(pattern.to_vec())
}

/// Whether a name or pattern has what separates words, or a zero byte.
pub fn has_spaces(text: &[u8]) -> bool {
    let separates = |byte: &u8| matches!(byte, 0 | b'\t'..=b'\r' | b' ');
    text.iter().any(separates)
}

/// Rules with the words of selectors that were given in several put together; the place of a parenthesis that is not
/// closed otherwise.
///
/// # Errors
/// When a parenthesis stays open.
pub fn join_selectors<'w>(words: impl Iterator<Item = &'w [u8]>) -> Result<Vec<Vec<u8>>, usize> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (at, word) in words.enumerate() {
        let is_end = word.last() == Some(&b')');
        match open.take() {
            None if word.first() == Some(&b'(') && !is_end => open = Some((at, word.to_vec())),
            None => joined.push(word.to_vec()),
            Some((start, mut selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if is_end {
                    joined.push(selector);
                } else {
                    open = Some((start, selector));
                }
            }
        }
    }
    match open {
        Some((start, _)) => Err(start),
        None => Ok(joined),
    }
}
