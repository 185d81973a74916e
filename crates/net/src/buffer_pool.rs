//! Receive buffers of the backends that read by themselves.

use crate::backend::{Buffer, Options, ReceiveMemory};

/// Up to `buffers_max` buffers, allocated on first use. The one that was freed last is used first: it is hot.
pub(crate) struct BufferPool {
    buffers: Vec<Box<[u8]>>,
    free: Vec<u32>,
    buffer_bytes: usize,
    buffers_max: u32,
}

impl BufferPool {
    pub(crate) fn new(options: &Options) -> BufferPool {
        BufferPool {
            buffers: Vec::new(),
            free: Vec::new(),
            buffer_bytes: options.buffer_bytes,
            buffers_max: options.buffers_max,
        }
    }

    /// Whether `take` would succeed.
    pub(crate) fn is_available(&self) -> bool {
        !self.free.is_empty() || self.buffers.len() < self.buffers_max as usize
    }

    /// The index of a free buffer.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            return Some(index);
        }
        if self.buffers.len() == self.buffers_max as usize {
            return None;
        }
        self.buffers
            .push(vec![0; self.buffer_bytes].into_boxed_slice());
        Some(self.buffers.len() as u32 - 1)
    }

    /// The whole of a buffer that was taken.
    #[inline]
    pub(crate) fn space(&mut self, index: u32) -> &mut [u8] {
        &mut self.buffers[index as usize]
    }

    /// The bytes that a receive has put into a buffer.
    #[inline]
    pub(crate) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        &self.buffers[buffer.index as usize][buffer.range()]
    }

    /// Makes a taken buffer free again.
    #[inline]
    pub(crate) fn give_back(&mut self, index: u32) {
        debug_assert!(!self.free.contains(&index), "recycled twice");
        self.free.push(index);
    }

    /// The memory of the buffers that there are.
    pub(crate) fn memory(&self) -> ReceiveMemory {
        ReceiveMemory {
            allocated_bytes: self.buffers.len() * self.buffer_bytes,
            mapped_bytes: 0,
        }
    }
}
