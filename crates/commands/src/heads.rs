//! Requests with one key recognised by their first bytes: most begin just as one did lately, up to the end of the
//! command's name.
//!
//! The number of arguments, the name and its command are then known after two comparisons. What is remembered is what
//! the parser and the registry have found for exactly these bytes.

use crate::command::{Locks, flag};
use crate::registry::Registered;

/// The bytes that are always looked at: `*2\r\n$3\r\n` and a name of up to six letters with its line end.
const BYTES: usize = 16;
/// With those of longer names.
const LONG_BYTES: usize = 24;
/// Where the name begins, when the number of arguments and its length have one digit each.
pub(crate) const NAME_START: usize = 8;
/// The longest name: its length has one digit.
const NAME_BYTES_MAX: usize = 9;
const _: () = assert!(NAME_START + NAME_BYTES_MAX + 2 <= LONG_BYTES);
/// The most arguments of a quick request, the name included.
const QUICK_ARGUMENTS_MAX: usize = 8;
/// A power of two.
const PLACES: usize = 32;

/// The beginning of a request, up to and with the line end after the command's name.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    /// `*2\r\n$3\r\n` as a word.
    counts: u64,
    /// The name and its line end as a word, with zeros behind.
    name: u64,
    /// The bytes of `name` that count.
    mask: u64,
    /// What of them did not go into that word, as another one.
    rest: u64,
    /// The bytes of `rest` that count.
    rest_mask: u64,
    /// The command.
    pub registered: &'static Registered,
    /// The length of its name.
    pub name_len: u32,
    /// The arguments after the name.
    pub arguments: u32,
    /// Which argument is its only key.
    pub key_place: usize,
    /// What it does with that.
    pub kind: Kind,
}

/// What is executed in runs, and what is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It reads its only key and nothing else, and has as many arguments as it takes.
    Read,
    /// It stores its last argument as the value of its only key, and does nothing else.
    Store,
    /// It is quick, locks its only key and has as many arguments as it takes.
    Single,
    Other,
}

impl Head {
    #[inline(always)]
    fn begins(&self, request: &[u8], counts: u64, name: u64) -> bool {
        self.counts == counts
            && self.name == name & self.mask
            && (self.rest_mask == 0 || rest(request) & self.rest_mask == self.rest)
    }
}

impl Kind {
    fn of(registered: &Registered, arguments: usize) -> Self {
        if registered.reader.is_some() && registered.takes(arguments) {
            Self::Read
        } else if registered.command.stores == arguments {
            Self::Store
        } else if is_quick(registered, arguments) {
            Self::Single
        } else {
            Self::Other
        }
    }
}

/// Whether a request takes no longer than to be timed together with those around it.
fn is_quick(registered: &Registered, arguments: usize) -> bool {
    registered.takes(arguments)
        && arguments <= QUICK_ARGUMENTS_MAX
        && registered.has_one_key
        && matches!(registered.command.locks, Locks::Keys)
        && registered.command.has(flag::FAST)
        && !registered.command.has(flag::NO_AUTH)
}

/// The heads that came lately, one for each place.
#[derive(Default)]
pub(crate) struct Heads([Option<Head>; PLACES]);

impl Heads {
    /// What is known of a request that begins like this; `last` is that of the one before, which it may be again.
    #[inline(always)]
    pub fn find<'h>(&'h self, request: &[u8], last: Option<&'h Head>) -> Option<&'h Head> {
        let (counts, name) = words(request)?;
        let is_head = |head: &&Head| head.begins(request, counts, name);
        if let Some(last) = last.filter(is_head) {
            return Some(last);
        }
        self.0[place(counts, name)].as_ref().filter(is_head)
    }

    /// Remembers the head of a request with so many arguments, one of which is its only key, if it is short enough.
    #[cold]
    pub fn learn(
        &mut self,
        request: &[u8],
        registered: &'static Registered,
        name: resp::Span,
        arguments: usize,
    ) {
        let name_len = name.len as usize;
        let is_short = name.start as usize == NAME_START && name_len <= NAME_BYTES_MAX;
        // What follows the name in an inline request is no argument with its length.
        let is_short = is_short && request.first() == Some(&b'*');
        let (Some((counts, word)), true) = (words(request), is_short) else {
            return;
        };
        let with_end = name_len + 2;
        let mask = ones(with_end.min(size_of::<u64>()));
        let rest_mask = ones(with_end.saturating_sub(size_of::<u64>()));
        self.0[place(counts, word)] = Some(Head {
            counts,
            name: word & mask,
            mask,
            rest: rest(request) & rest_mask,
            rest_mask,
            registered,
            name_len: name.len,
            arguments: arguments as u32 - 1,
            key_place: registered.key_places.first,
            kind: Kind::of(registered, arguments),
        });
    }
}

#[inline]
fn words(request: &[u8]) -> Option<(u64, u64)> {
    let (counts, name) = request.first_chunk::<BYTES>()?.split_at(NAME_START);
    let word = |bytes: &[u8]| bytes.first_chunk().copied().map(u64::from_le_bytes);
    Some((word(counts)?, word(name)?))
}

/// What comes after the two words; zeros if there are not enough bytes, which is no name and no line end.
#[inline]
fn rest(request: &[u8]) -> u64 {
    let bytes = request.first_chunk::<LONG_BYTES>();
    let bytes = bytes.and_then(|bytes| bytes[BYTES..].first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// So many bytes of ones.
fn ones(bytes: usize) -> u64 {
    u64::MAX.checked_shr(64 - 8 * bytes as u32).unwrap_or(0)
}

/// The place of a head: by the number of arguments and the first two letters of the name, which all heads have.
#[inline]
fn place(counts: u64, name: u64) -> usize {
    let mixed = (counts >> 8 ^ name << 3 ^ name >> 7) as usize;
    mixed % PLACES
}

#[cfg(test)]
mod tests {
    use super::Heads;
    use crate::registry::registry;
    use resp::Span;

    #[test]
    fn heads_are_found_again_and_nothing_else() {
        let mut heads = Heads::default();
        let get = registry().find(b"get").unwrap();
        let request = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
        assert!(heads.find(request, None).is_none());
        heads.learn(request, get, Span { start: 8, len: 3 }, 2);
        let found = heads.find(b"*2\r\n$3\r\nGET\r\n$99", None).unwrap();
        assert_eq!(
            (found.registered.id, found.name_len, found.arguments),
            (get.id, 3, 1)
        );
        for other in [
            &b"*2\r\n$3\r\nGET\r\n$9"[..],
            b"*2\r\n$3\r\nGeT\r\n$3\r\nkey\r\n",
            b"*3\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
            b"*2\r\n$4\r\nGETX\r\n$3\r\nkey\r\n",
            b"*2\r\n$3\r\nGET\r\r$3\r\nkey\r\n",
        ] {
            assert!(heads.find(other, Some(found)).is_none(), "{other:?}");
        }
    }

    #[test]
    fn inline_requests_are_not_learnt() {
        let mut heads = Heads::default();
        let get = registry().find(b"get").unwrap();
        let request = b"        get  $1\r\na\r\n";
        heads.learn(request, get, Span { start: 8, len: 3 }, 2);
        assert!(heads.find(request, None).is_none());
    }

    #[test]
    fn long_names_are_learnt_and_very_long_ones_are_not() {
        for (name, is_learnt) in [
            ("PERSIST", true),
            ("SISMEMBER", true),
            ("SMISMEMBER", false),
        ] {
            let mut heads = Heads::default();
            let command = registry().find(name.as_bytes()).unwrap();
            let len = name.len();
            let request = format!("*2\r\n${len}\r\n{name}\r\n$9\r\nsome:key1\r\n");
            let start = request.find(name).unwrap() as u32;
            let span = Span {
                start,
                len: len as u32,
            };
            heads.learn(request.as_bytes(), command, span, 2);
            assert_eq!(heads.find(request.as_bytes(), None).is_some(), is_learnt);
            let other = request.replace(&name[6..], &name[6..].to_lowercase());
            assert!(heads.find(other.as_bytes(), None).is_none());
            assert!(heads.find(&request.as_bytes()[..19], None).is_none());
        }
    }
}
