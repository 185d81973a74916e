//! Strings one after the other in one piece of memory: what a value is made of while it is read.

/// Strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Items {
    /// Appends one; nothing when there would be more than 4 GB of them.
    pub fn push(&mut self, item: &[u8]) -> Option<()> {
        let end = u32::try_from(self.bytes.len() + item.len()).ok()?;
        self.bytes.extend_from_slice(item);
        self.ends.push(end);
        Some(())
    }

    /// Appends the digits of one.
    pub fn push_integer(&mut self, integer: i64) -> Option<()> {
        self.push(keyspace::Number::new().digits(integer))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let item = &self.bytes[start..*end as usize];
            start = *end as usize;
            item
        })
    }

    /// All of them, two by two.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut items = self.iter();
        std::iter::from_fn(move || Some((items.next()?, items.next()?)))
    }
}
