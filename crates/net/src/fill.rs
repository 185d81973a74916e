//! A buffer that a connection's next bytes are received into, without a copy: the state behind `Backend::fill`.
//!
//! Its spare capacity is written by the kernel, so the unsafe code about that is here.
#![allow(unsafe_code)]

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::RecvFlags;

/// The most that one receive asks for, so that what has arrived shows between.
pub(crate) const STEP_BYTES_MAX: usize = 1 << 20;

/// How many receives of a connection after a fill take one pool buffer only: where a large request was, another is
/// likely, and what pool buffers get of it has to be copied. A fill begins the count again, so a connection that
/// has none any more is soon received from as fast as the others. More than one, because the end of a large request
/// and the head of the next may come by themselves.
pub(crate) const SINGLE_RECEIVES: u8 = 4;

/// A fill under way.
pub(crate) struct Fill {
    buffer: Vec<u8>,
    until: usize,
}

impl Fill {
    /// # Panics
    /// When `buffer` has `until` bytes already, or has no room for so many.
    pub(crate) fn new(buffer: Vec<u8>, until: usize) -> Fill {
        assert!(buffer.len() < until, "nothing to fill");
        assert!(until <= buffer.capacity(), "no room to fill");
        Fill { buffer, until }
    }

    /// The bytes that the buffer has by now.
    pub(crate) fn filled_bytes(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() == self.until
    }

    /// What the next receive is to ask for.
    pub(crate) fn step_bytes(&self) -> usize {
        (self.until - self.buffer.len()).min(STEP_BYTES_MAX)
    }

    /// Takes as many of `bytes` as are missing; tells how many.
    pub(crate) fn copy_from(&mut self, bytes: &[u8]) -> usize {
        let missing = self.until - self.buffer.len();
        let bytes = &bytes[..bytes.len().min(missing)];
        self.buffer.extend_from_slice(bytes);
        bytes.len()
    }

    /// Receives what there is, up to `step_bytes`.
    pub(crate) fn receive(&mut self, descriptor: &OwnedFd) -> Result<usize, Errno> {
        let step_bytes = self.step_bytes();
        let space = &mut self.buffer.spare_capacity_mut()[..step_bytes];
        let ((received, _), _) = rustix::net::recv(descriptor, space, RecvFlags::empty())?;
        let bytes = received.len();
        // SAFETY: so many bytes behind the buffer's end have just been received, within its capacity.
        unsafe { self.received(bytes) };
        Ok(bytes)
    }

    /// Where the kernel is to write the next `step_bytes` bytes. They are inside the buffer's allocation, which
    /// stays where it is until `into_buffer` or a drop.
    #[cfg(target_os = "linux")]
    pub(crate) fn space(&mut self) -> *mut u8 {
        self.buffer.spare_capacity_mut().as_mut_ptr().cast()
    }

    /// Counts bytes that were written to `space`.
    ///
    /// # Safety
    /// So many bytes must have been written there, at most `step_bytes`, since the last call.
    pub(crate) unsafe fn received(&mut self, bytes: usize) {
        assert!(bytes <= self.until - self.buffer.len());
        let length = self.buffer.len() + bytes;
        // SAFETY: within the capacity, as `until` is; initialised, as the caller promises.
        unsafe { self.buffer.set_len(length) };
    }

    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::Fill;

    #[test]
    fn takes_no_more_than_is_missing() {
        let mut buffer = Vec::with_capacity(20);
        buffer.extend_from_slice(b"has ");
        let mut fill = Fill::new(buffer, 10);
        assert_eq!(fill.copy_from(b"four"), 4);
        assert_eq!((fill.filled_bytes(), fill.step_bytes()), (8, 2));
        assert!(!fill.is_full());
        assert_eq!(fill.copy_from(b", and more"), 2);
        assert!(fill.is_full());
        assert_eq!(fill.copy_from(b"more"), 0);
        assert_eq!(fill.into_buffer(), b"has four, ");
    }

    #[test]
    #[should_panic(expected = "no room")]
    fn a_buffer_without_room_is_refused() {
        let buffer = Vec::with_capacity(10);
        let until = buffer.capacity() + 1;
        Fill::new(buffer, until);
    }
}
