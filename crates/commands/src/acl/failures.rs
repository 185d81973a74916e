//! Wrong passwords, by the address that they come from: after some, the next attempt from there has to wait.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::limits::{
    FAILED_ADDRESSES_MAX, FAILURE_DELAY_MS, FAILURE_DELAY_MS_MAX, FAILURES_FORGOTTEN_MS,
    FAILURES_FREE_MAX,
};

/// The addresses that wrong passwords came from lately.
#[derive(Debug)]
pub struct Failures {
    /// The longest that an attempt waits, in milliseconds; 0 lets none wait.
    pub delay_ms_max: AtomicU64,
    addresses: Mutex<BTreeMap<IpAddr, Failing>>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            delay_ms_max: AtomicU64::new(FAILURE_DELAY_MS_MAX),
            addresses: Mutex::default(),
        }
    }
}

/// What is known of one address.
#[derive(Clone, Copy, Debug)]
struct Failing {
    count: u32,
    last_ms: u64,
    /// No further attempt before that.
    next_ms: u64,
}

impl Failures {
    /// Until when an attempt from this address has to wait, if it has to.
    pub fn wait_until_ms(&self, address: &str, now_ms: u64) -> Option<u64> {
        let address = parse(address)?;
        let addresses = self.addresses.lock();
        let latest_ms = now_ms + self.delay_ms_max.load(Relaxed);
        let next_ms = addresses.get(&address)?.next_ms.min(latest_ms);
        (now_ms < next_ms).then_some(next_ms)
    }

    /// Notes a wrong password; how many there were lately, if that should be logged: when the waiting begins, and then
    /// each time that the number has doubled.
    pub fn note(&self, address: &str, now_ms: u64) -> Option<u32> {
        let address = parse(address)?;
        let mut addresses = self.addresses.lock();
        if !addresses.contains_key(&address) {
            make_room(&mut addresses, now_ms);
        }
        let failing = addresses.entry(address).or_insert(Failing {
            count: 0,
            last_ms: now_ms,
            next_ms: 0,
        });
        if now_ms.saturating_sub(failing.last_ms) > FAILURES_FORGOTTEN_MS {
            failing.count = 0;
        }
        failing.count = failing.count.saturating_add(1);
        failing.last_ms = now_ms;
        let over = failing.count.checked_sub(FAILURES_FREE_MAX)?;
        let delay_ms = FAILURE_DELAY_MS.saturating_mul(1 << over.min(16));
        failing.next_ms = now_ms + delay_ms.min(self.delay_ms_max.load(Relaxed));
        (over == 0 || over.is_power_of_two()).then_some(failing.count)
    }
}

/// Forgets the address that has been quiet for longest, when there are too many.
fn make_room(addresses: &mut BTreeMap<IpAddr, Failing>, now_ms: u64) {
    if addresses.len() < FAILED_ADDRESSES_MAX {
        return;
    }
    addresses.retain(|_, failing| now_ms.saturating_sub(failing.last_ms) <= FAILURES_FORGOTTEN_MS);
    if addresses.len() < FAILED_ADDRESSES_MAX {
        return;
    }
    let oldest = addresses.iter().min_by_key(|(_, failing)| failing.last_ms);
    if let Some(oldest) = oldest.map(|(address, _)| *address) {
        addresses.remove(&oldest);
    }
}

/// The address of `ip:port`. Of IPv6 only the network counts, of which one client can have every address. What comes
/// through a unix socket has none.
fn parse(address: &str) -> Option<IpAddr> {
    let (address, _) = address.rsplit_once(':')?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = address.parse().ok()?;
    Some(match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::Failures;
    use crate::limits::{
        FAILED_ADDRESSES_MAX, FAILURE_DELAY_MS, FAILURE_DELAY_MS_MAX, FAILURES_FORGOTTEN_MS,
        FAILURES_FREE_MAX,
    };

    #[test]
    fn attempts_wait_longer_and_longer() {
        let failures = Failures::default();
        let address = "192.0.2.1:1000";
        for _ in 1..FAILURES_FREE_MAX {
            assert_eq!(failures.note(address, 0), None);
            assert_eq!(failures.wait_until_ms(address, 0), None);
        }
        assert_eq!(failures.note(address, 0), Some(FAILURES_FREE_MAX));
        // Another port of the same address.
        let other_port = failures.wait_until_ms("192.0.2.1:2000", 0);
        assert_eq!(other_port, Some(FAILURE_DELAY_MS));
        assert_eq!(failures.wait_until_ms(address, FAILURE_DELAY_MS), None);
        assert_eq!(failures.wait_until_ms("192.0.2.2:1000", 0), None);
        for _ in 0..100 {
            failures.note(address, 0);
        }
        let longest = failures.wait_until_ms(address, 0);
        assert_eq!(longest, Some(FAILURE_DELAY_MS_MAX));
        failures.delay_ms_max.store(0, Relaxed);
        assert_eq!(failures.wait_until_ms(address, 0), None);
        assert_eq!(failures.note(address, FAILURES_FORGOTTEN_MS + 1), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let failures = Failures::default();
        for number in 0..2 * FAILED_ADDRESSES_MAX {
            let address = format!("10.{}.{}.1:5", number / 256, number % 256);
            failures.note(&address, number as u64);
        }
        assert_eq!(failures.addresses.lock().len(), FAILED_ADDRESSES_MAX);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let failures = Failures::default();
        for number in 0..FAILURES_FREE_MAX {
            failures.note(&format!("[fd00::{number:x}]:1"), 0);
        }
        assert!(failures.wait_until_ms("[fd00::ffff]:1", 0).is_some());
        assert!(failures.wait_until_ms("[fd00:0:0:1::1]:1", 0).is_none());
        failures.note("/run/redistill.sock:0", 0);
        assert_eq!(failures.addresses.lock().len(), 1);
    }
}
