//! What is to be sent: reply bytes, with large values in between that are shared instead of copied.

use bytes::Bytes;

/// Replies in the order in which they are sent. Lengths and marks count every byte, those of shared values included.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// Values that are sent after so many of `bytes`. The places never decrease.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Output {
    /// How many bytes it has.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared_bytes
    }

    /// The values that are shared, each with the number of its own bytes that go before it.
    #[must_use]
    pub fn shared(&self) -> &[(usize, Bytes)] {
        &self.shared
    }

    /// How many bytes are those of shared values.
    #[inline]
    #[must_use]
    pub fn shared_len(&self) -> usize {
        self.shared_bytes
    }

    /// Whether there is nothing to send.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.shared.is_empty()
    }

    /// Whether it has room of its own.
    #[inline]
    #[must_use]
    pub fn is_allocated(&self) -> bool {
        self.bytes.capacity() > 0
    }

    /// Takes back everything after the first `len` bytes. `len` does not lie inside of a shared value.
    pub fn truncate(&mut self, len: usize) {
        while let Some((at, value)) = self.shared.last()
            && at + self.shared_bytes - value.len() >= len
        {
            self.shared_bytes -= value.len();
            self.shared.pop();
        }
        self.bytes.truncate(len - self.shared_bytes);
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Adds a value without copying it.
    pub fn push_shared(&mut self, value: Bytes) {
        self.shared_bytes += value.len();
        self.shared.push((self.bytes.len(), value));
    }

    /// The bytes that are not shared, to append to.
    #[inline]
    pub(crate) fn own(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Replaces `from` bytes at `at` of those that are not shared.
    pub(crate) fn replace(&mut self, at: usize, from: usize, by: &[u8]) {
        self.bytes.splice(at..at + from, by.iter().copied());
        for (place, _) in &mut self.shared {
            if *place > at {
                *place = *place + by.len() - from;
            }
        }
    }

    /// Its parts: the bytes, and the values with the number of bytes that go before each.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<(usize, Bytes)>) {
        (self.bytes, self.shared)
    }

    /// Everything in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.len());
        let mut sent = 0;
        for (at, value) in &self.shared {
            whole.extend_from_slice(&self.bytes[sent..*at]);
            whole.extend_from_slice(value);
            sent = *at;
        }
        whole.extend_from_slice(&self.bytes[sent..]);
        whole
    }
}

/// An output with room of its own that is used again.
impl From<Vec<u8>> for Output {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use crate::{Protocol, ReplyWriter};

    fn bulk(out: &mut Output, value: &'static [u8], is_shared: bool) {
        let mut reply = ReplyWriter::new(out, Protocol::Resp2);
        if is_shared {
            reply.bulk_shared(value.into());
        } else {
            reply.bulk(value);
        }
    }

    #[test]
    fn shared_values_are_sent_in_their_places() {
        let mut out = Output::default();
        for (value, is_shared) in [(&b"one"[..], true), (b"two", false), (b"three", true)] {
            bulk(&mut out, value, is_shared);
        }
        let whole = b"$3\r\none\r\n$3\r\ntwo\r\n$5\r\nthree\r\n";
        assert_eq!(out.to_vec(), whole);
        assert_eq!(out.len(), whole.len());
        assert_eq!(out.shared_len(), 8);
        assert_eq!(out.shared().len(), 2);
        let (bytes, shared) = out.into_parts();
        assert_eq!(bytes, b"$3\r\n\r\n$3\r\ntwo\r\n$5\r\n\r\n");
        assert_eq!(
            shared.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
            [4, 19]
        );
    }

    #[test]
    fn what_is_taken_back_is_gone() {
        let mut out = Output::default();
        bulk(&mut out, b"kept", true);
        let mark = out.len();
        bulk(&mut out, b"lost", true);
        bulk(&mut out, b"lost", false);
        out.truncate(mark);
        assert_eq!(out.to_vec(), b"$4\r\nkept\r\n");
        out.clear();
        assert!(out.is_empty());
        assert_eq!(out.len(), 0);
    }

    #[test]
    fn a_length_that_comes_late_moves_shared_values() {
        let mut out = Output::default();
        let mut reply = ReplyWriter::new(&mut out, Protocol::Resp2);
        let array = reply.begin_array();
        for _ in 0..10 {
            reply.bulk_shared(b"v"[..].into());
        }
        reply.end_array(array, 10);
        assert_eq!(
            out.to_vec(),
            [&b"*10\r\n"[..], &b"$1\r\nv\r\n".repeat(10)].concat()
        );
    }
}
