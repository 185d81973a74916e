//! When the machine did not let this process run: another program was at work, or, in a virtual machine, the host had
//! taken the processor away. What a client measures at such times says nothing about the server.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// How long the process sleeps between two looks at the clock.
const PERIOD: Duration = Duration::from_millis(1);
/// From how much too late on it has been kept waiting.
const PAUSE_MIN: Duration = Duration::from_micros(300);

/// Sleeps a millisecond at a time, and tells when it took longer: the clock before and after, in microseconds of the
/// monotonic clock.
///
/// # Errors
/// When that cannot be written.
pub fn watch(duration: Duration, output: &mut impl Write) -> io::Result<()> {
    let end = Instant::now() + duration;
    let mut before = Instant::now();
    while before < end {
        thread::sleep(PERIOD);
        let now = Instant::now();
        if now - before > PERIOD + PAUSE_MIN {
            writeln!(output, "{} {}", monotonic_us(before), monotonic_us(now))?;
        }
        before = now;
    }
    output.flush()
}

/// Microseconds of the monotonic clock, which is the same in all processes.
pub fn monotonic_us(at: Instant) -> u64 {
    use rustix::time::{ClockId, clock_gettime};

    let now = clock_gettime(ClockId::Monotonic);
    let now_us = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000;
    now_us - Instant::now().saturating_duration_since(at).as_micros() as u64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{monotonic_us, watch};

    #[test]
    fn the_clock_goes_on() {
        let now = Instant::now();
        let earlier = monotonic_us(now - Duration::from_millis(5));
        assert!(earlier < monotonic_us(now));
    }

    #[test]
    fn pauses_are_pairs_of_numbers() {
        let mut output = Vec::new();
        watch(Duration::from_millis(20), &mut output).unwrap();
        for line in String::from_utf8(output).unwrap().lines() {
            let (from, to) = line.split_once(' ').unwrap();
            assert!(from.parse::<u64>().unwrap() < to.parse::<u64>().unwrap());
        }
    }
}
