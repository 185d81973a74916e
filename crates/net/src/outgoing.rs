//! What is sent: bytes of the sender's own, and between them pieces that it shares with others and that nobody copies.

use bytes::{Buf, Bytes};

/// Bytes to send, for `Backend::send`.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// The sender's own bytes.
    pub bytes: Vec<u8>,
    /// Pieces to send in between: the piece of `(at, piece)` goes out after `bytes[..at]`. `at` never decreases and
    /// is at most the length of `bytes`; several pieces may have the same.
    pub shared: Vec<(usize, Bytes)>,
}

impl Outgoing {
    /// The number of bytes to send, the shared ones included.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
            + self
                .shared
                .iter()
                .map(|(_, piece)| piece.len())
                .sum::<usize>()
    }

    /// Whether there is nothing to send.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<u8>> for Outgoing {
    #[inline]
    fn from(bytes: Vec<u8>) -> Outgoing {
        Outgoing {
            bytes,
            shared: Vec::new(),
        }
    }
}

/// What is being sent on one connection, and how much of it has been. Most sends share nothing, so that part is boxed.
#[derive(Default)]
pub(crate) struct Unsent {
    bytes: Vec<u8>,
    /// How many of `bytes` have been sent.
    sent_bytes: usize,
    /// Pieces of which something is left, at least one; none of them is empty.
    shared: Option<Box<std::vec::IntoIter<(usize, Bytes)>>>,
}

impl Unsent {
    #[inline]
    pub(crate) fn new(outgoing: Outgoing) -> Unsent {
        let Outgoing { bytes, shared } = outgoing;
        let shared = if shared.is_empty() {
            None
        } else {
            to_unsent(shared, bytes.len())
        };
        Unsent {
            bytes,
            sent_bytes: 0,
            shared,
        }
    }

    /// Whether shared pieces are left, so that what is left is in several places.
    #[inline]
    pub(crate) fn has_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// What is left when no shared piece is.
    #[inline]
    pub(crate) fn rest(&self) -> &[u8] {
        debug_assert!(self.shared.is_none());
        &self.bytes[self.sent_bytes..]
    }

    /// Whether everything has been sent.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.shared.is_none() && self.sent_bytes == self.bytes.len()
    }

    /// What is left, piece by piece; none is empty.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let shared = self.shared.as_ref().map_or(&[][..], |rest| rest.as_slice());
        let last_start = shared.last().map_or(self.sent_bytes, |(at, _)| *at);
        let mut start = self.sent_bytes;
        let mixed = shared.iter().flat_map(move |(at, piece)| {
            let before = &self.bytes[std::mem::replace(&mut start, *at)..*at];
            [before, &piece[..]]
        });
        let last = &self.bytes[last_start..];
        mixed
            .chain(std::iter::once(last))
            .filter(|part| !part.is_empty())
    }

    /// Notes that so many bytes more have been sent, and lets go of the shared pieces that have been sent wholly.
    #[inline]
    pub(crate) fn advance(&mut self, bytes: usize) {
        if self.shared.is_none() {
            self.sent_bytes += bytes;
        } else {
            self.advance_mixed(bytes);
        }
        debug_assert!(self.sent_bytes <= self.bytes.len());
    }

    fn advance_mixed(&mut self, mut bytes: usize) {
        while let Some(shared) = &mut self.shared {
            let Some((at, piece)) = shared.as_mut_slice().first_mut() else {
                self.shared = None;
                break;
            };
            let bytes_before = *at - self.sent_bytes;
            if bytes < bytes_before {
                break;
            }
            self.sent_bytes = *at;
            bytes -= bytes_before;
            if bytes < piece.len() {
                piece.advance(bytes);
                return;
            }
            bytes -= piece.len();
            shared.next();
        }
        self.sent_bytes += bytes;
    }

    /// Ends the send: lets go of the shared pieces, and gives the sender's bytes back.
    #[inline]
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.shared = None;
        self.sent_bytes = 0;
        std::mem::take(&mut self.bytes)
    }
}

/// The pieces, without empty ones.
///
/// # Panics
/// When their places are not in order or beyond `bytes`.
fn to_unsent(
    mut shared: Vec<(usize, Bytes)>,
    bytes: usize,
) -> Option<Box<std::vec::IntoIter<(usize, Bytes)>>> {
    let is_ordered = shared.is_sorted_by_key(|(at, _)| *at);
    let is_inside = shared.last().is_none_or(|(at, _)| *at <= bytes);
    assert!(
        is_ordered && is_inside,
        "shared pieces out of order or beyond the bytes"
    );
    shared.retain(|(_, piece)| !piece.is_empty());
    (!shared.is_empty()).then(|| Box::new(shared.into_iter()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Outgoing, Unsent};

    fn mixed() -> Outgoing {
        let piece = |text: &'static str| Bytes::from_static(text.as_bytes());
        Outgoing {
            bytes: b"onefourfive".to_vec(),
            shared: vec![
                (0, piece("zero")),
                (3, piece("two")),
                (3, piece("")),
                (3, piece("three")),
                (11, piece("six")),
            ],
        }
    }

    fn rest(unsent: &Unsent) -> String {
        let rest: Vec<u8> = unsent.parts().flatten().copied().collect();
        String::from_utf8(rest).expect("text")
    }

    #[test]
    fn goes_on_anywhere() {
        let text = "zeroonetwothreefourfivesix";
        assert_eq!(mixed().len(), text.len());
        for step in 1..=text.len() {
            let mut unsent = Unsent::new(mixed());
            for sent in (0..text.len()).step_by(step) {
                assert_eq!(rest(&unsent), text[sent..]);
                assert!(!unsent.is_done());
                unsent.advance(step.min(text.len() - sent));
            }
            assert!(unsent.is_done() && !unsent.has_shared());
            assert_eq!(unsent.take(), mixed().bytes);
        }
    }

    #[test]
    fn a_piece_that_was_sent_is_let_go() {
        let pieces: Vec<Bytes> = (0..3).map(|_| Bytes::from(vec![b'p'; 10])).collect();
        let mut unsent = Unsent::new(Outgoing {
            bytes: Vec::new(),
            shared: pieces.iter().map(|piece| (0, piece.clone())).collect(),
        });
        unsent.advance(15);
        let held: Vec<bool> = pieces.iter().map(|piece| !piece.is_unique()).collect();
        assert_eq!(held, [false, true, true]);
        unsent.take();
        assert!(pieces.iter().all(Bytes::is_unique));
    }

    #[test]
    fn bytes_alone_are_one_part() {
        let mut unsent = Unsent::new(b"reply".to_vec().into());
        unsent.advance(2);
        assert_eq!(unsent.rest(), b"ply");
        assert_eq!(rest(&unsent), "ply");
        unsent.advance(3);
        assert!(unsent.is_done());
    }

    #[test]
    #[should_panic(expected = "out of order")]
    fn pieces_out_of_order_are_refused() {
        let piece = Bytes::from_static(b"x");
        Unsent::new(Outgoing {
            bytes: vec![0; 3],
            shared: vec![(2, piece.clone()), (1, piece)],
        });
    }
}
