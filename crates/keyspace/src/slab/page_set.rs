//! A set of pages that does not change, for those who ask about each of millions of objects.

use std::ptr::NonNull;

use super::pool::PAGE_BYTES;

/// Pages by their number in the address space; 0 is free.
#[derive(Debug, Default)]
pub(crate) struct PageSet {
    slots: Box<[u32]>,
}

impl PageSet {
    /// The pages that begin at these addresses.
    pub fn new(addresses: &[usize]) -> Self {
        let mut set = Self {
            slots: vec![0; (addresses.len() * 2).next_power_of_two().max(2)].into(),
        };
        for address in addresses {
            let number = number(*address);
            let mut at = set.home(number);
            while set.slots[at] != 0 {
                at = (at + 1) & (set.slots.len() - 1);
            }
            set.slots[at] = number;
        }
        set
    }

    /// Whether an object lies in one of the pages.
    #[inline]
    pub fn has(&self, object: NonNull<u8>) -> bool {
        let number = number(object.addr().get());
        let mut at = self.home(number);
        loop {
            match self.slots[at] {
                0 => return false,
                other if other == number => return true,
                _ => at = (at + 1) & (self.slots.len() - 1),
            }
        }
    }

    #[inline]
    fn home(&self, number: u32) -> usize {
        // Fibonacci hashing: neighbours lie apart.
        (number.wrapping_mul(0x9e37_79b1) >> 8) as usize & (self.slots.len() - 1)
    }
}

/// Addresses have 48 bits.
#[inline]
fn number(address: usize) -> u32 {
    (address / PAGE_BYTES) as u32
}

#[cfg(test)]
mod tests {
    use std::ptr::NonNull;

    use super::{PAGE_BYTES, PageSet};

    #[test]
    fn has_what_was_put_in_and_nothing_else() {
        let pages: Vec<usize> = (1..2000).map(|at| at * 7 * PAGE_BYTES).collect();
        let set = PageSet::new(&pages);
        for at in 1..14_000 {
            let object = NonNull::without_provenance(
                std::num::NonZero::new(at * PAGE_BYTES + 100).expect("not 0"),
            );
            assert_eq!(set.has(object), at % 7 == 0, "{at}");
        }
        let none = PageSet::new(&[]);
        assert!(!none.has(NonNull::dangling()));
    }
}
