//! Which entry goes when memory is short: the policies, and what of an entry's header belongs to them.
//!
//! | file | what it holds |
//! |---|---|
//! | `bits` | the 24 policy bits of an entry: what a read, a new value and a new key make of them |
//! | `clock` | the access clock: ticks that are as fine as the policy needs |
//! | `sampled` | the policies of Redis: a few entries at random, the worst of them goes |
//! | `s3` | adaptive S3: a small queue, a CLOCK over the table, and what is remembered of those that went |
//!
//! How entries are found and removed, and when, is told in `evict`.

pub(crate) mod bits;
pub(crate) mod clock;
pub(crate) mod s3;
pub(crate) mod sampled;

/// Which keys may be evicted, and in which order: the values of `eviction_policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvictionPolicy {
    /// None: a write that needs memory is refused.
    #[default]
    NoEviction,
    /// Any key, in this order.
    AllKeys(Order),
    /// Keys that have a deadline, in this order.
    Volatile(Order),
}

/// What makes a key the next to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It was used longest ago.
    Lru,
    /// It is used least often.
    Lfu,
    /// Chance.
    Random,
    /// Its deadline comes first.
    Ttl,
    /// Adaptive S3: it came and was not used again, or not for long.
    S3Fifo,
}

impl EvictionPolicy {
    pub(crate) fn order(self) -> Option<Order> {
        match self {
            Self::NoEviction => None,
            Self::AllKeys(order) | Self::Volatile(order) => Some(order),
        }
    }

    pub(crate) fn is_volatile(self) -> bool {
        matches!(self, Self::Volatile(_))
    }

    /// What the policy bits of entries are used for.
    pub(crate) fn bits(self) -> bits::Use {
        match self.order() {
            Some(Order::Lfu) => bits::Use::Frequency,
            Some(Order::S3Fifo) => bits::Use::Count,
            _ => bits::Use::Stamp,
        }
    }

    /// One number for each policy.
    pub(crate) fn to_number(self) -> u8 {
        let order = |order| match order {
            Order::Lru => 0,
            Order::Lfu => 1,
            Order::Random => 2,
            Order::Ttl => 3,
            Order::S3Fifo => 4,
        };
        match self {
            Self::NoEviction => 0,
            Self::AllKeys(of) => 0x10 | order(of),
            Self::Volatile(of) => 0x20 | order(of),
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        let order = match number & 0xf {
            0 => Order::Lru,
            1 => Order::Lfu,
            2 => Order::Random,
            3 => Order::Ttl,
            _ => Order::S3Fifo,
        };
        match number >> 4 {
            0 => Self::NoEviction,
            1 => Self::AllKeys(order),
            _ => Self::Volatile(order),
        }
    }
}
