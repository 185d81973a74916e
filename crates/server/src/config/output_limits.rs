//! `client-output-buffer-limit`: how many bytes of replies may wait for the clients of each class.

use super::size;

/// The names of the classes, in Redis's order.
const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];
/// The newer name of a class.
const REPLICA: &str = "replica";
/// Words that say everything of one class: its name, hard limit, soft limit, seconds.
const WORDS: usize = 4;

/// The limits of all classes of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Clients that send commands and get replies.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Subscribers.
    pub pubsub: OutputLimit,
}

/// A client is closed when more than this waits for it. 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// At once, from so many bytes on.
    pub hard_bytes: u64,
    /// From so many bytes on ...
    pub soft_bytes: u64,
    /// ... without a pause for longer than so many seconds.
    pub soft_seconds: u64,
}

/// The classes that a setting names, each as it was named last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenLimits([Option<OutputLimit>; 3]);

/// What is wrong with a text, in Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsFault {
    /// Not four words for each class.
    Words,
    /// No such class.
    Class,
    /// A limit or a time.
    Number,
}

impl LimitsFault {
    /// Redis's text.
    pub fn text(self) -> &'static str {
        match self {
            LimitsFault::Words => "Wrong number of arguments in buffer limit configuration.",
            LimitsFault::Class => "Invalid client class specified in buffer limit configuration.",
            LimitsFault::Number => {
                "Error in hard, soft or soft_seconds setting in buffer limit configuration."
            }
        }
    }
}

impl GivenLimits {
    /// Reads `class hard soft seconds`, once or more.
    pub fn parse(text: &str) -> Result<GivenLimits, LimitsFault> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (quadruples, []) = words.as_chunks::<WORDS>() else {
            return Err(LimitsFault::Words);
        };
        let mut given = GivenLimits::default();
        for &[class, hard, soft, seconds] in quadruples {
            let class = class.to_ascii_lowercase();
            let class = if class == REPLICA { CLASSES[1] } else { &class };
            let index = CLASSES.iter().position(|known| *known == class);
            let limit = &mut given.0[index.ok_or(LimitsFault::Class)?];
            *limit = Some(OutputLimit {
                hard_bytes: size::parse(hard).ok_or(LimitsFault::Number)?,
                soft_bytes: size::parse(soft).ok_or(LimitsFault::Number)?,
                soft_seconds: seconds.parse().map_err(|_| LimitsFault::Number)?,
            });
        }
        Ok(given)
    }

    /// These, and for the classes that they do not name what was before.
    pub fn over(self, before: GivenLimits) -> GivenLimits {
        let mut all = before.0;
        for (limit, given) in all.iter_mut().zip(self.0) {
            *limit = given.or(*limit);
        }
        GivenLimits(all)
    }

    /// The limits, if every class is named.
    pub fn whole(self) -> Option<OutputLimits> {
        let [Some(normal), Some(replica), Some(pubsub)] = self.0 else {
            return None;
        };
        Some(OutputLimits {
            normal,
            replica,
            pubsub,
        })
    }

    /// The text that CONFIG GET answers.
    pub fn plain(self) -> String {
        self.format(|bytes| bytes.to_string())
    }

    /// The text for people and files.
    pub fn readable(self) -> String {
        self.format(size::format).replace(CLASSES[1], REPLICA)
    }

    fn format(self, bytes: impl Fn(u64) -> String) -> String {
        let named = CLASSES.iter().zip(self.0);
        let given = named.filter_map(|(class, limit)| Some((class, limit?)));
        let texts = given.map(|(class, limit)| {
            let (hard, soft) = (bytes(limit.hard_bytes), bytes(limit.soft_bytes));
            format!("{class} {hard} {soft} {}", limit.soft_seconds)
        });
        texts.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::{GivenLimits, LimitsFault, OutputLimit};

    #[test]
    fn classes_are_given_and_kept() {
        let all = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        let before = GivenLimits::parse(all).expect("all classes");
        assert_eq!(before.plain(), all);
        let readable = "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60";
        assert_eq!(before.readable(), readable);
        assert_eq!(GivenLimits::parse(readable), Ok(before));
        let given = GivenLimits::parse("NORMAL 9 9 9 normal 1kb 2k 03").expect("one class");
        assert_eq!(given.plain(), "normal 1024 2000 3");
        assert_eq!(given.whole(), None);
        let after = given.over(before).whole().expect("all classes");
        let expected = OutputLimit {
            hard_bytes: 1024,
            soft_bytes: 2000,
            soft_seconds: 3,
        };
        assert_eq!(after.normal, expected);
        assert_eq!(after.pubsub.soft_seconds, 60);
        assert_eq!(GivenLimits::parse(""), Ok(GivenLimits::default()));
    }

    #[test]
    fn faults_are_found_in_order() {
        for (text, fault) in [
            ("normal 1 2", LimitsFault::Words),
            ("foo 1 2 3", LimitsFault::Class),
            ("master 1 2 3", LimitsFault::Class),
            ("normal x 2 3", LimitsFault::Number),
            ("normal 1 -2 3", LimitsFault::Number),
            ("normal 1 2 -3", LimitsFault::Number),
            ("normal 1 2 3x", LimitsFault::Number),
        ] {
            assert_eq!(GivenLimits::parse(text), Err(fault), "{text:?}");
        }
    }
}
