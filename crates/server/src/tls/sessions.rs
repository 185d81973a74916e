//! Sessions that clients may resume, in memory: at most so many, for so long. The oldest makes room.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::server::StoresServerSessions;

/// The sessions of one configuration. A new one, after a certificate has changed, begins without any.
#[derive(Debug)]
pub struct Sessions {
    stored: Mutex<Stored>,
}

impl Sessions {
    /// Keeps at most so many sessions, each for so long.
    pub fn new(sessions_max: usize, lifetime: Duration) -> Sessions {
        Sessions {
            stored: Mutex::new(Stored {
                sessions_max,
                lifetime,
                by_key: HashMap::new(),
                in_order: VecDeque::new(),
            }),
        }
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.stored.lock().put(key, value, Instant::now());
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.stored.lock().get(key, Instant::now())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.stored.lock().take(key, Instant::now())
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Stored {
    sessions_max: usize,
    lifetime: Duration,
    by_key: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    /// Keys with the time at which each was put, the oldest first. Some are gone already, or were put again.
    in_order: VecDeque<(Instant, Vec<u8>)>,
}

impl Stored {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>, now: Instant) {
        self.in_order.push_back((now, key.clone()));
        self.by_key.insert(key, (now, value));
        while let Some((since, _)) = self.in_order.front() {
            let is_old = now.duration_since(*since) >= self.lifetime;
            if !is_old && self.in_order.len() <= self.sessions_max {
                break;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((since, key)) = self.in_order.pop_front() else {
            return;
        };
        if self.by_key.get(&key).is_some_and(|(at, _)| *at == since) {
            self.by_key.remove(&key);
        }
    }

    fn get(&self, key: &[u8], now: Instant) -> Option<Vec<u8>> {
        let (since, value) = self.by_key.get(key)?;
        (now.duration_since(*since) < self.lifetime).then(|| value.clone())
    }

    fn take(&mut self, key: &[u8], now: Instant) -> Option<Vec<u8>> {
        let (since, value) = self.by_key.remove(key)?;
        (now.duration_since(since) < self.lifetime).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(sessions_max: usize, lifetime_s: u64) -> (Stored, Instant) {
        let sessions = Sessions::new(sessions_max, Duration::from_secs(lifetime_s));
        (sessions.stored.into_inner(), Instant::now())
    }

    fn key(number: u8) -> Vec<u8> {
        vec![number]
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut stored, now) = stored(3, 100);
        for number in 0..5 {
            stored.put(key(number), vec![number; 2], now);
        }
        let found: Vec<bool> = (0..5)
            .map(|number| stored.get(&key(number), now).is_some())
            .collect();
        assert_eq!(found, [false, false, true, true, true]);
        assert_eq!(stored.by_key.len(), 3);
    }

    #[test]
    fn a_session_is_taken_once() {
        let (mut stored, now) = stored(3, 100);
        stored.put(key(1), vec![7], now);
        assert_eq!(stored.take(&key(1), now), Some(vec![7]));
        assert_eq!(stored.take(&key(1), now), None);
    }

    #[test]
    fn a_session_grows_old() {
        let (mut stored, now) = stored(3, 10);
        stored.put(key(1), vec![7], now);
        let later = now + Duration::from_secs(9);
        assert_eq!(stored.get(&key(1), later), Some(vec![7]));
        let too_late = now + Duration::from_secs(10);
        assert_eq!(stored.get(&key(1), too_late), None);
        stored.put(key(2), vec![8], too_late);
        assert_eq!((stored.by_key.len(), stored.in_order.len()), (1, 1));
    }

    #[test]
    fn what_is_put_again_stays() {
        let (mut stored, now) = stored(2, 100);
        stored.put(key(1), vec![1], now);
        stored.put(key(1), vec![2], now + Duration::from_secs(1));
        stored.put(key(2), vec![3], now + Duration::from_secs(2));
        let later = now + Duration::from_secs(3);
        assert_eq!(stored.get(&key(1), later), Some(vec![2]));
        assert_eq!(stored.get(&key(2), later), Some(vec![3]));
    }
}
