//! Adaptive S3, exactly, with shadows of its own.

use super::{Access, Miniature};
use crate::policy::s3::Mode;
use crate::policy::s3::cache::S3Cache;
use crate::policy::s3::shadows::Shadows;
use crate::random::mixed;
use crate::samples::{Sample, Seen};

/// See the head of this file.
#[derive(Debug)]
pub(super) struct S3 {
    cache: S3Cache,
    mode: Mode,
    shadows: Shadows,
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            cache: S3Cache::new(1, Mode::Plain),
            mode: Mode::Plain,
            shadows: Shadows::new(1, Mode::Plain),
        }
    }
}

impl S3 {
    fn tell(&mut self, access: Access, seen: Seen) {
        let sample = Sample {
            // A rank of its own.
            hash: mixed(access.hash),
            seen,
            now_ms: access.now_ms,
        };
        if sample.is_below(self.shadows.threshold())
            && let Some(mode) = self.shadows.observe(&sample)
        {
            self.mode = mode;
            self.cache.set_mode(mode);
        }
    }
}

impl Miniature for S3 {
    fn read(&mut self, access: Access) -> bool {
        let is_there = self.cache.read(access.hash);
        let deadline_ms = access.deadline_ms;
        let hit = Seen::Hit { deadline_ms };
        self.tell(access, if is_there { hit } else { Seen::Miss });
        is_there
    }

    fn write(&mut self, access: Access) {
        self.cache.write(access.hash);
        let written = Seen::Written {
            bytes: 0,
            deadline_ms: access.deadline_ms,
        };
        self.tell(access, written);
    }

    fn remove(&mut self, hash: u64) {
        self.cache.remove(hash);
    }

    fn contains(&self, hash: u64) -> bool {
        self.cache.contains(hash)
    }

    fn len(&self) -> usize {
        self.cache.len()
    }

    fn set_keys_max(&mut self, keys_max: usize) {
        self.cache.set_entries_max(keys_max);
        let (entries, wanted) = (self.shadows.entries(), keys_max as u64);
        if entries / 2 > wanted || wanted / 2 > entries {
            self.shadows = Shadows::new(wanted, self.mode);
        }
    }

    fn retain(&mut self, is_kept: &dyn Fn(u64) -> bool) {
        self.cache.retain(is_kept);
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.cache.memory_bytes() + self.shadows.memory_bytes()
    }
}
