//! What held workers up, and when: for each event the longest time of each of the last seconds in which it happened.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use parking_lot::Mutex;

use super::Insight;

/// The samples that are kept of an event, as in Redis.
const SAMPLES_MAX: usize = 160;

/// What can take long. Names are Redis's where it has the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A command.
    Command,
    /// A command of constant or logarithmic time.
    FastCommand,
    /// Keys were evicted.
    EvictionCycle,
    /// Keys whose time was up were removed.
    ExpireCycle,
    /// Sparse memory was emptied.
    Compaction,
    /// Memory was given back to the system.
    GivingBackMemory,
    /// What happens once in a second: statistics, timeouts, caches.
    EachSecond,
    /// Connections were accepted and closed, and what they sent was taken.
    Receiving,
    /// Replies were handed to the system.
    Sending,
    /// All that a worker did before it waited again.
    EventLoop,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Command,
        Self::FastCommand,
        Self::EvictionCycle,
        Self::ExpireCycle,
        Self::Compaction,
        Self::GivingBackMemory,
        Self::EachSecond,
        Self::Receiving,
        Self::Sending,
        Self::EventLoop,
    ];

    /// Its name in LATENCY.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::FastCommand => "fast-command",
            Self::EvictionCycle => "eviction-cycle",
            Self::ExpireCycle => "expire-cycle",
            Self::Compaction => "active-defrag-cycle",
            Self::GivingBackMemory => "memory-release",
            Self::EachSecond => "server-cron",
            Self::Receiving => "receive",
            Self::Sending => "send",
            Self::EventLoop => "event-loop",
        }
    }

    /// The event of this name, in any case.
    pub fn find(name: &[u8]) -> Option<Self> {
        let is_named = |event: &Self| event.name().as_bytes().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_named)
    }
}

/// The longest time of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The second of the Unix epoch.
    pub at_s: u64,
    /// Milliseconds.
    pub ms: u64,
}

/// How long an event took, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// The newest last; never empty.
    pub samples: VecDeque<Sample>,
    /// The longest ever, in milliseconds.
    pub ms_max: u64,
}

/// All events that have happened.
#[derive(Default)]
pub struct LatencyMonitor {
    events: Mutex<BTreeMap<Event, Delays>>,
}

impl LatencyMonitor {
    /// Notes that an event took so long.
    pub fn add(&self, event: Event, spent_ns: u64, now_ms: u64) {
        let sample = Sample {
            at_s: now_ms / 1000,
            ms: spent_ns / 1_000_000,
        };
        let mut events = self.events.lock();
        let delays = events.entry(event).or_default();
        delays.ms_max = delays.ms_max.max(sample.ms);
        match delays.samples.back_mut() {
            Some(last) if last.at_s == sample.at_s => last.ms = last.ms.max(sample.ms),
            _ => {
                if delays.samples.len() == SAMPLES_MAX {
                    delays.samples.pop_front();
                }
                delays.samples.push_back(sample);
            }
        }
    }

    /// The events that have happened, with their samples.
    pub fn all(&self) -> Vec<(Event, Delays)> {
        let events = self.events.lock();
        events
            .iter()
            .map(|(event, delays)| (*event, delays.clone()))
            .collect()
    }

    /// The samples of an event, if it has happened.
    pub fn get(&self, event: Event) -> Option<Delays> {
        self.events.lock().get(&event).cloned()
    }

    /// Forgets an event; whether there was anything to forget.
    pub fn forget(&self, event: Event) -> bool {
        self.events.lock().remove(&event).is_some()
    }

    pub(super) fn bytes(&self) -> usize {
        let events = self.events.lock();
        let bytes = events.values().map(|delays| {
            size_of::<(Event, Delays)>() + delays.samples.capacity() * size_of::<Sample>()
        });
        bytes.sum()
    }
}

/// Measures the parts of what a worker does, one after the other, while somebody wants to know.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// When the current one began; none while nothing is to be noted.
    begun: Option<Instant>,
    now_ms: u64,
}

impl Parts {
    /// The first part begins.
    pub fn begin(insight: &Insight, now_ms: u64) -> Self {
        let is_noted = insight.latency_ns() != u64::MAX;
        Self {
            begun: is_noted.then(Instant::now),
            now_ms,
        }
    }

    /// A part has ended, and the next one begins.
    #[inline]
    pub fn end(&mut self, insight: &Insight, event: Event) {
        if let Some(begun) = self.begun {
            let now = Instant::now();
            self.begun = Some(now);
            let spent_ns = u64::try_from((now - begun).as_nanos()).unwrap_or(u64::MAX);
            if spent_ns >= insight.latency_ns() {
                insight.latency.add(event, spent_ns, self.now_ms);
            }
        }
    }

    /// The next part begins; what came before belongs to none.
    #[inline]
    pub fn skip(&mut self) {
        self.begun = self.begun.map(|_| Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, LatencyMonitor, SAMPLES_MAX, Sample};

    #[test]
    fn a_second_has_one_sample() {
        let monitor = LatencyMonitor::default();
        for (ms, now_ms) in [(5, 1000), (9, 1400), (7, 1999), (3, 2000)] {
            monitor.add(Event::Command, ms * 1_000_000, now_ms);
        }
        let delays = monitor.get(Event::Command).expect("it has happened");
        let samples: Vec<_> = delays.samples.into();
        let expected = [(1, 9), (2, 3)].map(|(at_s, ms)| Sample { at_s, ms });
        assert_eq!((samples.as_slice(), delays.ms_max), (&expected[..], 9));
        assert!(monitor.get(Event::Sending).is_none());
        assert!(monitor.forget(Event::Command) && !monitor.forget(Event::Command));
    }

    #[test]
    fn the_oldest_samples_go() {
        let monitor = LatencyMonitor::default();
        for second in 0..200 {
            monitor.add(Event::Command, second * 1_000_000, second * 1000);
        }
        let delays = monitor.get(Event::Command).expect("it has happened");
        assert_eq!(delays.samples.len(), SAMPLES_MAX);
        assert_eq!(delays.samples[0].at_s, 40);
        assert_eq!(delays.ms_max, 199);
    }

    #[test]
    fn names_are_found() {
        for event in Event::ALL {
            assert_eq!(Event::find(event.name().as_bytes()), Some(event));
        }
        assert_eq!(Event::find(b"Fast-Command"), Some(Event::FastCommand));
        assert_eq!(Event::find(b"fork"), None);
    }
}
