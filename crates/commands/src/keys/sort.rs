//! SORT and SORT_RO.
//!
//! Patterns of BY and GET mean keys that are not among the arguments: with those, the whole keyspace is locked. Texts are
//! compared byte by byte, as Redis does it in the locale `C`.

use std::cmp::Ordering;
use std::ops::Range;

use keyspace::{Deadline, Draft, End, Hash, Key, List, Number, Set, SortedSet, ValueKind};
use resp::{Args, parse_double};

use crate::command::{Command, Find, Group, KeySpec, Locks, flag, key_flag};
use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::parse::{integer, is};

const SORTED: KeySpec = KeySpec::one(1, key_flag::RO | key_flag::ACCESS);
const MEANT: KeySpec = KeySpec {
    flags: key_flag::RO | key_flag::ACCESS,
    begin: 0,
    find: Find::Derived,
    notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
};
const STORED: KeySpec = KeySpec {
    flags: key_flag::OW | key_flag::UPDATE,
    begin: 0,
    find: Find::Stored,
    notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
};

pub const SORT: Command = Command {
    name: "sort",
    arity: -2,
    flags: flag::WRITE | flag::DENYOOM,
    keys: &[SORTED, MEANT, STORED],
    categories: &["set", "sortedset", "list", "dangerous"],
    group: Group::Generic,
    since: "1.0.0",
    summary: "Returns or stores the elements of a list, set or sorted set in order",
    complexity: "O(N*log(N)+M) where N is the number of elements and M the number of those returned; with patterns all other commands wait",
    syntax: "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]",
    locks: Locks::NamedOrEverything(name_keys, means_others),
    run: |context, args| sort(context, args, Mode::MayStore),
    ..Command::BASE
};

pub const SORT_RO: Command = Command {
    name: "sort_ro",
    flags: flag::READONLY,
    keys: &[SORTED, MEANT],
    since: "7.0.0",
    summary: "Returns the elements of a list, set or sorted set in order",
    syntax: "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
    run: |context, args| sort(context, args, Mode::ReadOnly),
    ..SORT
};

fn name_keys(args: Args<'_>, database: u8, each: &mut dyn FnMut(u8, &[u8])) {
    each(database, args.get(1));
    if let Some(place) = sort_destination(args) {
        each(database, args.get(place));
    }
}

fn means_others(args: Args<'_>) -> bool {
    args.tail(2).iter().any(|argument| argument.contains(&b'*'))
}

/// The place of the key that SORT stores to.
pub fn sort_destination(args: Args<'_>) -> Option<usize> {
    let (mut place, mut at) = (None, 2);
    while at < args.len() {
        let option = args.get(at);
        if is(option, "LIMIT") {
            at += 2;
        } else if is(option, "GET") || is(option, "BY") {
            at += 1;
        } else if is(option, "STORE") && at + 1 < args.len() {
            place = Some(at + 1);
        }
        at += 1;
    }
    place
}

/// Whether STORE is an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    MayStore,
    ReadOnly,
}

/// What the options say.
struct SortOptions<'a> {
    is_descending: bool,
    is_alphabetic: bool,
    /// By what, unless by the elements themselves.
    by: Option<&'a [u8]>,
    gets: Vec<&'a [u8]>,
    offset: i64,
    count: i64,
    destination: Option<usize>,
}

impl<'a> SortOptions<'a> {
    fn parse(context: &Context<'_, '_>, args: Args<'a>, mode: Mode) -> Result<Self, CommandError> {
        let mut options = Self {
            is_descending: false,
            is_alphabetic: false,
            by: None,
            gets: Vec::new(),
            offset: 0,
            count: -1,
            destination: None,
        };
        let mut at = 2;
        while at < args.len() {
            let (option, left) = (args.get(at), args.len() - at - 1);
            if is(option, "ASC") {
                options.is_descending = false;
            } else if is(option, "DESC") {
                options.is_descending = true;
            } else if is(option, "ALPHA") {
                options.is_alphabetic = true;
            } else if is(option, "LIMIT") && left >= 2 {
                options.offset = integer(args.get(at + 1))?;
                options.count = integer(args.get(at + 2))?;
                at += 2;
            } else if is(option, "STORE") && left >= 1 && mode == Mode::MayStore {
                options.destination = Some(at + 1);
                at += 1;
            } else if is(option, "BY") && left >= 1 {
                let by = args.get(at + 1);
                if by.contains(&b'*') {
                    may_read_all(context, "BY")?;
                }
                options.by = Some(by);
                at += 1;
            } else if is(option, "GET") && left >= 1 {
                may_read_all(context, "GET")?;
                options.gets.push(args.get(at + 1));
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }

    /// The range of the sorted elements that is asked for, of so many.
    fn range(&self, len: usize) -> Range<usize> {
        let clamped = |number: i64| usize::try_from(number).map_or(0, |number| number.min(len));
        let start = clamped(self.offset);
        let end = if self.count < 0 {
            len
        } else {
            (start + clamped(self.count)).min(len)
        };
        start..end
    }
}

/// Patterns may mean any key.
fn may_read_all(context: &Context<'_, '_>, option: &str) -> Result<(), CommandError> {
    let user = &context.session.user;
    let mut selectors = std::iter::once(user.root()).chain(user.selectors());
    if context.session.may_everything || selectors.any(|selector| selector.has_all_keys()) {
        return Ok(());
    }
    Err(CommandError::other(format_args!(
        "{option} option of SORT denied due to insufficient ACL permissions"
    )))
}

/// Texts one after the other in one piece of memory.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

/// The elements of a key, in the order in which it has them.
struct Elements {
    texts: Texts,
    kind: Option<ValueKind>,
}

fn load(context: &mut Context<'_, '_>, key: Key<'_>) -> Result<Elements, CommandError> {
    let kind = context.keys.read(key).map(|entry| entry.kind());
    let (mut texts, mut number) = (Texts::default(), Number::new());
    match kind {
        None => {}
        Some(ValueKind::List) => {
            let list = context.keys.peek_collection::<List>(key)?;
            let elements = list.iter().flat_map(|list| list.elements_from(0));
            elements.for_each(|element| texts.push(element.bytes(&mut number)));
        }
        Some(ValueKind::Set) => {
            let set = context.keys.peek_collection::<Set>(key)?;
            let members = set.iter().flat_map(|set| set.members());
            members.for_each(|member| texts.push(member.bytes(&mut number)));
        }
        Some(ValueKind::SortedSet) => {
            let set = context.keys.peek_collection::<SortedSet>(key)?;
            let members = set.iter().flat_map(|set| set.members());
            members.for_each(|(member, _)| texts.push(member.bytes(&mut number)));
        }
        Some(ValueKind::String | ValueKind::Hash) => return Err(CommandError::WrongType),
    }
    Ok(Elements { texts, kind })
}

/// Shows what a pattern means for an element; None when there is nothing.
fn look_up<R>(
    context: &mut Context<'_, '_>,
    pattern: &[u8],
    element: &[u8],
    show: impl FnOnce(Option<&[u8]>) -> R,
) -> R {
    if pattern == b"#" {
        return show(Some(element));
    }
    let Some(star) = pattern.iter().position(|byte| *byte == b'*') else {
        return show(None);
    };
    let (before, behind) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = behind.windows(2).position(|bytes| bytes == b"->");
    if let Some(arrow) = arrow.filter(|arrow| arrow + 2 < behind.len()) {
        let name = [before, element, &behind[..arrow]].concat();
        let (database, now_ms) = (context.session.database, context.now_ms());
        let key = context.keys.key(database, &name);
        // A key of another type counts as one that is not there.
        let hash = context.keys.read_collection::<Hash>(key).ok().flatten();
        let field = hash.and_then(|hash| hash.get(&behind[arrow + 2..], now_ms));
        let mut number = Number::new();
        return show(field.map(|field| field.value.bytes(&mut number)));
    }
    let name = [before, element, behind].concat();
    let key = context.keys.key(context.session.database, &name);
    let value = context.keys.read(key);
    let value = value.as_ref().and_then(|entry| string_value(entry).ok());
    show(
        value
            .map(|value| value.bytes(&mut Number::new()).to_vec())
            .as_deref(),
    )
}

/// What elements are ordered by.
enum Weights {
    Scores(Vec<f64>),
    /// The texts of other keys, and whether they are there.
    Texts(Texts, Vec<bool>),
    Elements,
}

const NOT_A_SCORE: CommandError =
    CommandError::line("ERR One or more scores can't be converted into double");

/// A text as C's `strtod` reads it: up to a zero byte, spaces before it.
fn score(text: &[u8]) -> Result<f64, CommandError> {
    let text = crate::error::until_zero(text);
    if text.is_empty() {
        return Ok(0.0);
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let spaces = text.iter().take_while(|byte| is_space(byte)).count();
    parse_double(&text[spaces..]).ok_or(NOT_A_SCORE)
}

impl Weights {
    fn of(
        context: &mut Context<'_, '_>,
        elements: &Texts,
        by: Option<&[u8]>,
        is_alphabetic: bool,
    ) -> Result<Self, CommandError> {
        let indices = 0..elements.len();
        match (by, is_alphabetic) {
            (None, true) => Ok(Self::Elements),
            (None, false) => {
                let scores = indices.map(|index| score(elements.get(index)));
                Ok(Self::Scores(scores.collect::<Result<_, _>>()?))
            }
            (Some(by), false) => {
                let scores = indices.map(|index| {
                    let element = elements.get(index);
                    look_up(context, by, element, |text| text.map_or(Ok(0.0), score))
                });
                Ok(Self::Scores(scores.collect::<Result<_, _>>()?))
            }
            (Some(by), true) => {
                let (mut texts, mut are_there) = (Texts::default(), Vec::new());
                for index in indices {
                    look_up(context, by, elements.get(index), |text| {
                        are_there.push(text.is_some());
                        texts.push(text.unwrap_or_default());
                    });
                }
                Ok(Self::Texts(texts, are_there))
            }
        }
    }

    fn compare(&self, elements: &Texts, left: usize, right: usize) -> Ordering {
        let by_element = || elements.get(left).cmp(elements.get(right));
        match self {
            Self::Elements => by_element(),
            Self::Scores(scores) => {
                let order = scores[left].partial_cmp(&scores[right]);
                order.unwrap_or(Ordering::Equal).then_with(by_element)
            }
            Self::Texts(texts, are_there) => {
                let order = are_there[left].cmp(&are_there[right]);
                order.then_with(|| texts.get(left).cmp(texts.get(right)))
            }
        }
    }
}

fn sort(context: &mut Context<'_, '_>, args: Args<'_>, mode: Mode) -> Result<(), CommandError> {
    let options = SortOptions::parse(context, args, mode)?;
    let key = context.key(args, 1);
    let Elements { texts, kind } = load(context, key)?;
    let order = order(context, &options, &texts, kind)?;
    match options.destination {
        None => answer(context, &options, &texts, &order),
        Some(destination) => {
            let destination = context.key(args, destination);
            store(context, &options, &texts, &order, destination)
        }
    }
}

/// The indices of the elements that are asked for, in their order.
fn order(
    context: &mut Context<'_, '_>,
    options: &SortOptions<'_>,
    texts: &Texts,
    kind: Option<ValueKind>,
) -> Result<Vec<usize>, CommandError> {
    let len = texts.len();
    let mut indices: Vec<usize> = (0..len).collect();
    let is_unsorted = options.by.is_some_and(|by| !by.contains(&b'*'));
    // What a set has no order for is stored in one that is always the same.
    let is_set_stored = kind == Some(ValueKind::Set) && options.destination.is_some();
    if is_unsorted && !is_set_stored {
        if options.is_descending && kind != Some(ValueKind::Set) {
            indices.reverse();
        }
    } else {
        let (by, is_alphabetic) = if is_unsorted {
            (None, true)
        } else {
            (options.by, options.is_alphabetic)
        };
        let weights = Weights::of(context, texts, by, is_alphabetic)?;
        indices.sort_by(|left, right| {
            let order = weights.compare(texts, *left, *right);
            if options.is_descending {
                order.reverse()
            } else {
                order
            }
        });
    }
    let range = options.range(len);
    indices.truncate(range.end);
    indices.drain(..range.start);
    Ok(indices)
}

fn answer(
    context: &mut Context<'_, '_>,
    options: &SortOptions<'_>,
    texts: &Texts,
    order: &[usize],
) -> Result<(), CommandError> {
    let each = options.gets.len().max(1);
    context.reply.array(order.len() * each);
    for index in order {
        let element = texts.get(*index);
        if options.gets.is_empty() {
            context.reply.bulk(element);
        }
        for pattern in &options.gets {
            let value = look_up(context, pattern, element, |value| value.map(<[u8]>::to_vec));
            match value {
                None => context.reply.null(),
                Some(value) => context.reply.bulk(&value),
            }
            context.check_reply(0)?;
        }
        context.check_reply(0)?;
    }
    Ok(())
}

fn store(
    context: &mut Context<'_, '_>,
    options: &SortOptions<'_>,
    texts: &Texts,
    order: &[usize],
    destination: Key<'_>,
) -> Result<(), CommandError> {
    let mut values = Texts::default();
    for index in order {
        let element = texts.get(*index);
        if options.gets.is_empty() {
            values.push(element);
        }
        for pattern in &options.gets {
            look_up(context, pattern, element, |value| {
                values.push(value.unwrap_or_default());
            });
            // One large value may be meant by many elements.
            context.check_reply(values.bytes.len())?;
        }
    }
    let built = context.keys.build_collection(|list: &mut Draft<'_, List>| {
        (0..values.len()).for_each(|index| list.push(End::Back, values.get(index)));
    });
    let keys = &mut context.keys;
    keys.store_collection(destination, built, Deadline::None);
    context.reply.integer(values.len() as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::limits::REPLY_BYTES_MAX;
    use crate::testing::{TestServer, check, show};

    #[test]
    fn what_many_elements_mean_has_a_limit() {
        let mut server = TestServer::new();
        let value = vec![b'v'; REPLY_BYTES_MAX / 4 + 1];
        server.command(&[b"SET", b"k1".as_slice(), &value]);
        server.run("RPUSH l 1 1 1 1");
        let reply = server.command(&["SORT", "l", "BY", "nosort", "GET", "k*", "STORE", "d"]);
        assert_eq!(
            show(&reply),
            "-ERR the reply exceeds the maximum allowed size (512 MB)"
        );
        assert_eq!(server.run("EXISTS d"), ":0");
    }

    #[test]
    fn elements_are_sorted_by_number_or_text() {
        check(
            "RPUSH l 10 9 -1.5 1e1 inf
             SORT l
             SORT l DESC LIMIT 1 2
             SORT l ALPHA
             SORT l LIMIT -5 1
             SORT l LIMIT 0 -1
             SORT l LIMIT 9 1
             RPUSH l x
             SORT l
             SORT l LIMIT 0
             SORT l LIMIT 0 x
             SORT_RO l STORE d
             SORT missing
             SORT missing NONSENSE
             SET s v
             SORT s
             SADD set c a b
             SORT set ALPHA DESC
             SORT_RO set ALPHA",
            ":5
             [-1.5 9 10 1e1 inf]
             [1e1 10]
             [-1.5 10 1e1 9 inf]
             [-1.5]
             [-1.5 9 10 1e1 inf]
             []
             :6
             -ERR One or more scores can't be converted into double
             -ERR syntax error
             -ERR value is not an integer or out of range
             -ERR syntax error
             []
             -ERR syntax error
             OK
             -WRONGTYPE Operation against a key holding the wrong kind of value
             :3
             [c b a]
             [a b c]",
        );
    }

    #[test]
    fn patterns_mean_other_keys() {
        check(
            "RPUSH l 1 2 3
             MSET w_1 30 w_2 20 w_3 10 name_1 one name_3 three
             SORT l BY w_*
             SORT l BY w_* GET name_* GET # GET nothing
             SORT l BY w_* ALPHA
             SORT l BY nosort DESC
             SORT l BY nosort LIMIT 1 1
             HSET h_1 f x g 3
             HSET h_2 f y g 1
             SORT l BY h_*->g GET h_*->f GET h_*->
             SORT l GET w_*->field
             SORT l BY name_* ALPHA
             SORT l BY name_*
             SORT l GET name_* DESC STORE d
             LRANGE d 0 -1
             TYPE d
             SORT missing STORE d
             EXISTS d
             SADD set c a b
             SORT set BY nosort STORE d
             LRANGE d 0 -1",
            ":3
             OK
             [3 2 1]
             [three 3 nil nil 2 nil one 1 nil]
             [3 2 1]
             [3 2 1]
             [2]
             :2
             :2
             [nil nil y nil x nil]
             [nil nil nil]
             [2 1 3]
             -ERR One or more scores can't be converted into double
             :3
             [three \"\" one]
             list
             :0
             :0
             :3
             :3
             [a b c]",
        );
    }

    #[test]
    fn sorting_by_patterns_is_part_of_a_transaction() {
        check(
            "RPUSH l 1 2
             MULTI
             SET w_1 2
             SORT l BY w_* STORE d
             EXEC
             LRANGE d 0 -1
             COMMAND GETKEYS SORT l BY x STORE a GET STORE STORE b",
            ":2
             OK
             QUEUED
             QUEUED
             [OK :2]
             [2 1]
             [l b]",
        );
    }
}
