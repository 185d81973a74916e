//! Which prefix a key has. Prefixes lie in the order of their first bytes, the longest first, so the first one that
//! matches is the one.

/// Finds the longest prefix of a key.
pub(super) struct Matcher {
    /// Prefixes and their numbers.
    sorted: Box<[(Box<[u8]>, u8)]>,
    /// Where those begin and end that have this first byte.
    ranges: Box<[(u8, u8); 256]>,
}

impl Matcher {
    /// The number of a prefix is its place in the order given.
    ///
    /// # Panics
    /// When one is empty, two are the same, or they are more than 255.
    pub fn new<'p>(prefixes: impl Iterator<Item = &'p [u8]>) -> Self {
        let numbered = prefixes.enumerate();
        let mut sorted: Vec<(Box<[u8]>, u8)> = numbered
            .map(|(id, prefix)| (prefix.into(), u8::try_from(id).expect("they are few")))
            .collect();
        sorted.sort_by(|(left, _), (right, _)| {
            let first = left.first().cmp(&right.first());
            first
                .then(right.len().cmp(&left.len()))
                .then(left.cmp(right))
        });
        assert!(
            sorted.windows(2).all(|pair| pair[0].0 != pair[1].0),
            "a prefix stands there twice"
        );
        let mut ranges = Box::new([(0, 0); 256]);
        for (at, (prefix, _)) in sorted.iter().enumerate() {
            let range = &mut ranges[usize::from(prefix[0])];
            if range.1 == 0 {
                range.0 = at as u8;
            }
            range.1 = at as u8 + 1;
        }
        Self {
            sorted: sorted.into(),
            ranges,
        }
    }

    /// The number of a key's prefix.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        let (begin, end) = self.ranges[usize::from(*key.first()?)];
        let candidates = self.sorted.get(usize::from(begin)..usize::from(end))?;
        let found = candidates
            .iter()
            .find(|(prefix, _)| key.starts_with(prefix))?;
        Some(found.1.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Matcher;

    #[test]
    fn the_longest_prefix_counts() {
        let prefixes = ["s", "session:", "session:a:", "user:", "\u{1}", "sess"];
        let matcher = Matcher::new(prefixes.iter().map(|prefix| prefix.as_bytes()));
        for (key, expected) in [
            ("", None),
            ("a", None),
            ("user", None),
            ("user:", Some(3)),
            ("user:1", Some(3)),
            ("s", Some(0)),
            ("session", Some(5)),
            ("session:", Some(1)),
            ("session:a", Some(1)),
            ("session:a:", Some(2)),
            ("session:a:7", Some(2)),
            ("\u{1}\u{2}", Some(4)),
        ] {
            assert_eq!(matcher.find(key.as_bytes()), expected, "{key:?}");
        }
        assert_eq!(Matcher::new(std::iter::empty()).find(b"k"), None);
    }

    #[test]
    #[should_panic(expected = "twice")]
    fn each_stands_once() {
        Matcher::new([b"a".as_slice(), b"b", b"a"].into_iter());
    }
}
