//! Requests with one key recognised by their first bytes: most begin just as one did lately, up to the end of the
//! command's name.
//!
//! The number of arguments, the name and its command are then known after two comparisons. What is remembered is what
//! the parser and the registry have found for exactly these bytes.

use crate::registry::Registered;

/// The bytes that are looked at: `*2\r\n$3\r\n` and a name of up to six letters with its line end.
const BYTES: usize = 16;
/// Where the name begins, when the number of arguments and its length have one digit each.
pub(crate) const NAME_START: usize = 8;
/// The longest name.
const NAME_BYTES_MAX: usize = BYTES - NAME_START - 2;
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
    Other,
}

impl Kind {
    fn of(registered: &Registered, arguments: usize) -> Self {
        if registered.reader.is_some() && registered.takes(arguments) {
            Self::Read
        } else if registered.command.stores == arguments {
            Self::Store
        } else {
            Self::Other
        }
    }
}

/// The heads that came lately, one for each place.
#[derive(Default)]
pub(crate) struct Heads([Option<Head>; PLACES]);

impl Heads {
    /// What is known of a request that begins like this; `last` is that of the one before, which it may be again.
    #[inline(always)]
    pub fn find<'h>(&'h self, request: &[u8], last: Option<&'h Head>) -> Option<&'h Head> {
        let (counts, name) = words(request)?;
        let is_head = |head: &&Head| head.counts == counts && head.name == name & head.mask;
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
        let mask = u64::MAX >> (64 - 8 * (name_len + 2));
        self.0[place(counts, word)] = Some(Head {
            counts,
            name: word & mask,
            mask,
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
    fn long_names_are_not_learnt() {
        let mut heads = Heads::default();
        let command = registry().find(b"persist").unwrap();
        let request = b"*2\r\n$7\r\nPERSIST\r\n$3\r\nkey\r\n";
        heads.learn(request, command, Span { start: 8, len: 7 }, 2);
        assert!(heads.find(request, None).is_none());
    }
}
