//! Connections that wait until a given time before they go on.

/// Connections and until when they wait.
#[derive(Debug, Default)]
pub struct Delays {
    waiting: Vec<(u64, u32)>,
}

impl Delays {
    /// Lets a connection wait until then, in milliseconds of the Unix epoch.
    pub fn add(&mut self, until_ms: u64, slot: u32) {
        self.waiting.push((until_ms, slot));
    }

    /// When the first of them goes on.
    pub fn next_ms(&self) -> Option<u64> {
        self.waiting.iter().map(|(until_ms, _)| *until_ms).min()
    }

    /// Those whose time has come.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<u32> {
        let is_due = |(until_ms, _): &mut (u64, u32)| *until_ms <= now_ms;
        let due = self.waiting.extract_if(.., is_due);
        due.map(|(_, slot)| slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Delays;

    #[test]
    fn they_go_on_when_their_time_has_come() {
        let mut delays = Delays::default();
        assert_eq!(delays.next_ms(), None);
        delays.add(20, 1);
        delays.add(10, 2);
        assert_eq!(delays.next_ms(), Some(10));
        assert!(delays.take_due(9).is_empty());
        assert_eq!(delays.take_due(10), [2]);
        assert_eq!((delays.next_ms(), delays.take_due(99)), (Some(20), vec![1]));
    }
}
