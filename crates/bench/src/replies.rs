//! Checks replies without building them: a comparison with the fixed shape that a request's reply has, and behind
//! it a parser that skips any reply and can stop and resume at any byte.

use std::fmt;

/// The longest line (an error, a status, a length) that is accepted in a reply.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What the reply to a request has to look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line, given without its line end: `+OK`.
    Line(&'static str),
    /// Any integer.
    Integer,
    /// A bulk string of this many bytes (a hit) or null (a miss).
    Bulk(usize),
    /// An array of `count` elements that are `Bulk(value_bytes)`.
    BulkArray {
        /// Elements.
        count: usize,
        /// Bytes of each element that is not null.
        value_bytes: usize,
    },
    /// Anything but an error.
    Any,
}

/// What has been counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Whole replies, wrong ones included.
    pub replies: u64,
    /// Values found.
    pub hits: u64,
    /// Values not found.
    pub misses: u64,
    /// Error replies.
    pub errors: u64,
    /// Replies of another shape or length than expected.
    pub wrong: u64,
    /// The first error or wrong reply (its first line).
    pub first_fault: Option<String>,
}

impl Tally {
    /// Adds what another thread has counted.
    pub fn add(&mut self, other: &Tally) {
        self.replies += other.replies;
        self.hits += other.hits;
        self.misses += other.misses;
        self.errors += other.errors;
        self.wrong += other.wrong;
        if self.first_fault.is_none() {
            self.first_fault.clone_from(&other.first_fault);
        }
    }

    /// Whether every reply was as expected.
    pub fn is_clean(&self) -> bool {
        self.errors == 0 && self.wrong == 0
    }

    fn keep_fault(&mut self, line: &[u8]) {
        if self.first_fault.is_none() {
            self.first_fault =
                Some(String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned());
        }
    }
}

/// Bytes that are no reply at all; the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the server sent something that is no reply: {}",
            self.0
        )
    }
}

/// How far a connection is inside a reply that has not arrived completely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    /// Elements of the reply whose first line is still to come; 0 between replies.
    elements_left: u64,
    /// Bytes of a bulk string and its line end that are still to come.
    payload_left: u64,
    /// Whether this reply has been counted as an error or as wrong.
    faulty: bool,
}

/// What `Checker::check` took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Bytes that need not be shown again.
    pub bytes: usize,
    /// Replies that were completed.
    pub replies: usize,
}

/// Checks the replies to the one or two kinds of request of a workload.
#[derive(Debug)]
pub struct Checker {
    expected: Vec<Expected>,
}

/// A shape, prepared for fast comparison.
#[derive(Debug)]
struct Expected {
    shape: Shape,
    /// The first line with its end. For an array: of the array.
    head: Vec<u8>,
    /// The first line of an array's element.
    element: Vec<u8>,
    /// For `Line`: many repetitions of `head`, so that one comparison checks as many replies.
    repeated: Vec<u8>,
}

impl Checker {
    /// `shapes[k]` is expected for requests of kind k; `replies_max` is the most replies that are awaited at once.
    pub fn new(shapes: &[Shape], replies_max: usize) -> Self {
        Checker {
            expected: shapes
                .iter()
                .map(|shape| Expected::new(shape, replies_max))
                .collect(),
        }
    }

    /// Takes replies from the front of `bytes`, at most `awaited`. `kinds` has the kinds of the awaited replies, or
    /// is empty when all are of kind 0. Bytes that are not taken have to be shown again with more behind them.
    ///
    /// # Errors
    /// When the bytes follow no version of the protocol.
    #[inline]
    pub fn check(
        &self,
        bytes: &[u8],
        awaited: usize,
        kinds: &[u8],
        partial: &mut Partial,
        tally: &mut Tally,
    ) -> Result<Taken, Malformed> {
        let mut taken = Taken {
            bytes: 0,
            replies: 0,
        };
        while taken.replies < awaited && taken.bytes < bytes.len() {
            let (kind, run) = run_of_kind(kinds, taken.replies, awaited);
            let expected = &self.expected[kind];
            let rest = &bytes[taken.bytes..];
            if partial.elements_left == 0 && partial.payload_left == 0 {
                let quick = expected.take_quickly(rest, run, tally);
                taken.bytes += quick.bytes;
                taken.replies += quick.replies;
                if quick.replies == run || taken.bytes == bytes.len() {
                    continue;
                }
            }
            let (skipped, complete) = expected.take_any(&bytes[taken.bytes..], partial, tally)?;
            taken.bytes += skipped;
            if !complete {
                break;
            }
            taken.replies += 1;
        }
        tally.replies += taken.replies as u64;
        Ok(taken)
    }
}

/// The kind of the reply at `at`, and how many of the awaited replies from there on have it.
#[inline]
fn run_of_kind(kinds: &[u8], at: usize, awaited: usize) -> (usize, usize) {
    if kinds.is_empty() {
        return (0, awaited - at);
    }
    let kind = kinds[at];
    let run = kinds[at..awaited]
        .iter()
        .take_while(|&&other| other == kind)
        .count();
    (usize::from(kind), run)
}

impl Expected {
    fn new(shape: &Shape, replies_max: usize) -> Self {
        let bulk_head = |value_bytes: usize| format!("${value_bytes}\r\n").into_bytes();
        let (head, element) = match shape {
            Shape::Line(line) => (format!("{line}\r\n").into_bytes(), Vec::new()),
            Shape::Bulk(value_bytes) => (bulk_head(*value_bytes), Vec::new()),
            Shape::BulkArray { count, value_bytes } => (
                format!("*{count}\r\n").into_bytes(),
                bulk_head(*value_bytes),
            ),
            Shape::Integer | Shape::Any => (Vec::new(), Vec::new()),
        };
        let repeated = match shape {
            Shape::Line(_) => head.repeat(replies_max.clamp(1, 4096)),
            _ => Vec::new(),
        };
        Expected {
            shape: shape.clone(),
            head,
            element,
            repeated,
        }
    }

    /// Takes up to `run` replies that are complete and exactly of the shape; stops at the first that is not.
    #[inline]
    fn take_quickly(&self, bytes: &[u8], run: usize, tally: &mut Tally) -> Taken {
        match &self.shape {
            Shape::Line(_) => self.take_lines(bytes, run),
            Shape::Bulk(value_bytes) => {
                let replies = count_bulks(bytes, &self.head, *value_bytes, run);
                tally.hits += replies as u64;
                Taken {
                    bytes: replies * (self.head.len() + value_bytes + 2),
                    replies,
                }
            }
            Shape::Integer => take_integers(bytes, run),
            Shape::BulkArray { count, value_bytes } => {
                let mut taken = Taken {
                    bytes: 0,
                    replies: 0,
                };
                let length = self.head.len() + count * (self.element.len() + value_bytes + 2);
                while taken.replies < run {
                    let Some(array) = bytes.get(taken.bytes..taken.bytes + length) else {
                        break;
                    };
                    let Some(elements) = array.strip_prefix(self.head.as_slice()) else {
                        break;
                    };
                    if count_bulks(elements, &self.element, *value_bytes, *count) < *count {
                        break;
                    }
                    taken.bytes += length;
                    taken.replies += 1;
                }
                tally.hits += (taken.replies * count) as u64;
                taken
            }
            Shape::Any => Taken {
                bytes: 0,
                replies: 0,
            },
        }
    }

    #[inline]
    fn take_lines(&self, bytes: &[u8], run: usize) -> Taken {
        let length = self.head.len();
        let whole = run
            .min(bytes.len() / length)
            .min(self.repeated.len() / length);
        if bytes[..whole * length] == self.repeated[..whole * length] {
            return Taken {
                bytes: whole * length,
                replies: whole,
            };
        }
        let equal = bytes
            .chunks_exact(length)
            .take(whole)
            .take_while(|reply| *reply == self.head);
        let replies = equal.count();
        Taken {
            bytes: replies * length,
            replies,
        }
    }

    /// Takes the next reply, or what has arrived of it, whatever it is; the flag tells whether it is complete.
    fn take_any(
        &self,
        bytes: &[u8],
        partial: &mut Partial,
        tally: &mut Tally,
    ) -> Result<(usize, bool), Malformed> {
        let mut at = 0;
        if *partial == Partial::default() {
            let Some(line) = line_at(bytes)? else {
                return Ok((0, false));
            };
            self.judge_head(line, partial, tally);
            partial.elements_left = 1;
        }
        loop {
            let skipped = partial.payload_left.min((bytes.len() - at) as u64);
            partial.payload_left -= skipped;
            at += skipped as usize;
            if partial.payload_left > 0 {
                return Ok((at, false));
            }
            if partial.elements_left == 0 {
                *partial = Partial::default();
                return Ok((at, true));
            }
            let Some(line) = line_at(&bytes[at..])? else {
                return Ok((at, false));
            };
            at += line.len() + 2;
            if !self.element.is_empty() && !line.starts_with(b"*") {
                self.judge_element(line, partial, tally);
            }
            let content = content_of(line)?;
            partial.elements_left = partial.elements_left - 1 + content.elements;
            partial.payload_left = content.payload_bytes;
        }
    }

    /// Counts a reply by its first line.
    fn judge_head(&self, line: &[u8], partial: &mut Partial, tally: &mut Tally) {
        let is_null = matches!(line, b"$-1" | b"_");
        let fine = match &self.shape {
            _ if matches!(line.first(), Some(b'-' | b'!')) => {
                tally.errors += 1;
                tally.keep_fault(line);
                partial.faulty = true;
                return;
            }
            Shape::Line(_) | Shape::BulkArray { .. } => is_head(&self.head, line),
            Shape::Integer => line.starts_with(b":"),
            Shape::Bulk(_) => {
                let hit = is_head(&self.head, line);
                tally.hits += u64::from(hit);
                tally.misses += u64::from(is_null);
                hit || is_null
            }
            Shape::Any => true,
        };
        if !fine {
            tally.wrong += 1;
            tally.keep_fault(line);
            partial.faulty = true;
        }
    }

    /// Counts an element of an array; a reply is wrong once, however many of its elements are.
    fn judge_element(&self, line: &[u8], partial: &mut Partial, tally: &mut Tally) {
        if partial.faulty {
            return;
        }
        if is_head(&self.element, line) {
            tally.hits += 1;
        } else if matches!(line, b"$-1" | b"_") {
            tally.misses += 1;
        } else {
            tally.wrong += 1;
            tally.keep_fault(line);
            partial.faulty = true;
        }
    }
}

/// Whether `line`, which is without its end, is `head`, which has it.
fn is_head(head: &[u8], line: &[u8]) -> bool {
    head.len() == line.len() + 2 && head.starts_with(line)
}

/// How many of the first `run` replies are complete bulk strings with the line `head` and as many bytes.
#[inline]
fn count_bulks(bytes: &[u8], head: &[u8], value_bytes: usize, run: usize) -> usize {
    let length = head.len() + value_bytes + 2;
    let replies = bytes.chunks_exact(length).take(run);
    if head.len() > 8 || length < 8 {
        return replies
            .take_while(|reply| reply.starts_with(head) && reply.ends_with(b"\r\n"))
            .count();
    }
    // The head and the line end fit two words: no call of memcmp for each reply.
    let mut head_word = [0; 8];
    head_word[..head.len()].copy_from_slice(head);
    let (head_word, mask) = (
        u64::from_le_bytes(head_word),
        u64::MAX >> (64 - 8 * head.len()),
    );
    replies
        .take_while(|reply| {
            let first = reply
                .first_chunk::<8>()
                .map_or(0, |word| u64::from_le_bytes(*word));
            let last = reply
                .last_chunk::<2>()
                .map_or(0, |word| u16::from_le_bytes(*word));
            first & mask == head_word && last == u16::from_le_bytes(*b"\r\n")
        })
        .count()
}

/// Takes up to `run` complete integers.
#[inline]
fn take_integers(bytes: &[u8], run: usize) -> Taken {
    let mut taken = Taken {
        bytes: 0,
        replies: 0,
    };
    while taken.replies < run {
        let rest = &bytes[taken.bytes..];
        if rest.first() != Some(&b':') {
            break;
        }
        let digits = rest[1..]
            .iter()
            .take_while(|&&byte| byte.is_ascii_digit())
            .count();
        if digits == 0 || rest.get(1 + digits..3 + digits) != Some(b"\r\n") {
            break;
        }
        taken.bytes += digits + 3;
        taken.replies += 1;
    }
    taken
}

/// The first line without its end, if it has arrived.
fn line_at(bytes: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    match memchr::memchr(b'\n', window) {
        Some(end) if end >= 2 && bytes[end - 1] == b'\r' => Ok(Some(&bytes[..end - 1])),
        None if bytes.len() < LINE_BYTES_MAX => Ok(None),
        _ => Err(malformed(window)),
    }
}

/// What follows a line.
struct Content {
    elements: u64,
    payload_bytes: u64,
}

fn content_of(line: &[u8]) -> Result<Content, Malformed> {
    let (&kind, rest) = line.split_first().ok_or_else(|| malformed(line))?;
    let length = || match rest {
        b"-1" if matches!(kind, b'$' | b'*') => Ok(None),
        digits => std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<u32>().ok())
            .map(|length| Some(u64::from(length)))
            .ok_or_else(|| malformed(line)),
    };
    let (elements, payload_bytes) = match kind {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => (0, 0),
        b'$' | b'=' | b'!' => (0, length()?.map_or(0, |bytes| bytes + 2)),
        b'*' | b'~' | b'>' => (length()?.unwrap_or(0), 0),
        b'%' => (2 * length()?.unwrap_or(0), 0),
        // The value that an attribute describes follows it.
        b'|' => (2 * length()?.unwrap_or(0) + 1, 0),
        _ => return Err(malformed(line)),
    };
    Ok(Content {
        elements,
        payload_bytes,
    })
}

fn malformed(bytes: &[u8]) -> Malformed {
    Malformed(bytes[..bytes.len().min(60)].escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` whole and then split at every byte; both have to count the same.
    fn check(shape: Shape, awaited: usize, bytes: &[u8]) -> Tally {
        let checker = Checker::new(&[shape], awaited);
        let mut whole = Tally::default();
        let taken = checker
            .check(bytes, awaited, &[], &mut Partial::default(), &mut whole)
            .unwrap();
        assert_eq!(
            taken,
            Taken {
                bytes: bytes.len(),
                replies: awaited
            },
            "{}",
            bytes.escape_ascii()
        );
        for split in 0..bytes.len() {
            let (mut tally, mut partial) = (Tally::default(), Partial::default());
            let first = checker
                .check(&bytes[..split], awaited, &[], &mut partial, &mut tally)
                .unwrap();
            let left = awaited - first.replies;
            let second = checker
                .check(&bytes[first.bytes..], left, &[], &mut partial, &mut tally)
                .unwrap();
            assert_eq!(first.bytes + second.bytes, bytes.len());
            assert_eq!(tally, whole, "split at {split} of {}", bytes.escape_ascii());
        }
        whole
    }

    fn counts(tally: &Tally) -> [u64; 5] {
        [
            tally.replies,
            tally.hits,
            tally.misses,
            tally.errors,
            tally.wrong,
        ]
    }

    #[test]
    fn expected_replies_are_counted() {
        for (shape, awaited, bytes, expected) in [
            (
                Shape::Line("+OK"),
                3,
                "+OK\r\n+OK\r\n+OK\r\n",
                [3, 0, 0, 0, 0],
            ),
            (
                Shape::Integer,
                3,
                ":0\r\n:-1\r\n:123456\r\n",
                [3, 0, 0, 0, 0],
            ),
            (
                Shape::Bulk(3),
                3,
                "$3\r\nabc\r\n$-1\r\n$3\r\nx\r\n\r\n",
                [3, 2, 1, 0, 0],
            ),
            (
                Shape::Bulk(12),
                3,
                "$12\r\nabcdefghijkl\r\n_\r\n$12\r\n............\r\n",
                [3, 2, 1, 0, 0],
            ),
            (Shape::Bulk(0), 1, "$0\r\n\r\n", [1, 1, 0, 0, 0]),
            (
                Shape::BulkArray {
                    count: 2,
                    value_bytes: 1,
                },
                3,
                "*2\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$1\r\na\r\n$-1\r\n*2\r\n_\r\n$1\r\nb\r\n",
                [3, 4, 2, 0, 0],
            ),
            (
                Shape::Any,
                3,
                "+x\r\n*2\r\n*1\r\n$1\r\na\r\n:1\r\n%1\r\n+k\r\n,1.5\r\n",
                [3, 0, 0, 0, 0],
            ),
            (Shape::Any, 1, "|1\r\n+k\r\n+v\r\n*0\r\n", [1, 0, 0, 0, 0]),
        ] {
            assert_eq!(
                counts(&check(shape, awaited, bytes.as_bytes())),
                expected,
                "{bytes}"
            );
        }
    }

    #[test]
    fn errors_and_wrong_lengths_are_found() {
        for (shape, awaited, bytes, expected, fault) in [
            (
                Shape::Line("+OK"),
                2,
                "+OK\r\n-ERR no\r\n",
                [2, 0, 0, 1, 0],
                "-ERR no",
            ),
            (
                Shape::Line("+OK"),
                2,
                "+KO\r\n+OK\r\n",
                [2, 0, 0, 0, 1],
                "+KO",
            ),
            (
                Shape::Bulk(3),
                2,
                "$4\r\nabcd\r\n$3\r\nabc\r\n",
                [2, 1, 0, 0, 1],
                "$4",
            ),
            (Shape::Bulk(3), 1, "!5\r\nERR x\r\n", [1, 0, 0, 1, 0], "!5"),
            (Shape::Integer, 1, "$1\r\n1\r\n", [1, 0, 0, 0, 1], "$1"),
            (
                Shape::BulkArray {
                    count: 2,
                    value_bytes: 1,
                },
                1,
                "*2\r\n$2\r\naa\r\n$2\r\nbb\r\n",
                [1, 0, 0, 0, 1],
                "$2",
            ),
            (
                Shape::BulkArray {
                    count: 2,
                    value_bytes: 1,
                },
                1,
                "*1\r\n$1\r\na\r\n",
                [1, 0, 0, 0, 1],
                "*1",
            ),
            (
                Shape::Any,
                1,
                "-WRONGTYPE x\r\n",
                [1, 0, 0, 1, 0],
                "-WRONGTYPE x",
            ),
        ] {
            let tally = check(shape, awaited, bytes.as_bytes());
            assert_eq!(counts(&tally), expected, "{bytes}");
            assert_eq!(tally.first_fault.as_deref(), Some(fault));
        }
    }

    #[test]
    fn kinds_choose_the_shape() {
        let checker = Checker::new(&[Shape::Line("+OK"), Shape::Bulk(1)], 4);
        let mut tally = Tally::default();
        let bytes = b"+OK\r\n$1\r\na\r\n$-1\r\n+OK\r\n";
        let taken = checker
            .check(bytes, 4, &[0, 1, 1, 0], &mut Partial::default(), &mut tally)
            .unwrap();
        assert_eq!(
            taken,
            Taken {
                bytes: bytes.len(),
                replies: 4
            }
        );
        assert_eq!(counts(&tally), [4, 1, 1, 0, 0]);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bytes in ["hello\r\n", "$x\r\n", "\n", "*-2\r\n", "$99999999999\r\n"] {
            let checker = Checker::new(&[Shape::Any], 1);
            let result = checker.check(
                bytes.as_bytes(),
                1,
                &[],
                &mut Partial::default(),
                &mut Tally::default(),
            );
            assert!(result.is_err(), "{bytes:?}");
        }
        let endless = vec![b'+'; LINE_BYTES_MAX];
        let checker = Checker::new(&[Shape::Any], 1);
        assert!(
            checker
                .check(
                    &endless,
                    1,
                    &[],
                    &mut Partial::default(),
                    &mut Tally::default()
                )
                .is_err()
        );
    }
}
