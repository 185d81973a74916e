//! Categories of commands, as ACL and COMMAND name them. They follow from a row's flags, but for those that it names.

use crate::command::{Command, flag};

/// All categories, in Redis's order.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

impl Command {
    /// Whether the command is in a category, named without `@`.
    pub fn is_in(&self, category: &str) -> bool {
        let follows = match category {
            "write" => self.has(flag::WRITE),
            "read" => self.has(flag::READONLY) && !self.categories.contains(&"scripting"),
            "admin" | "dangerous" => self.has(flag::ADMIN),
            "fast" => self.has(flag::FAST),
            "slow" => !self.has(flag::FAST),
            _ => false,
        };
        follows || self.categories.contains(&category)
    }

    /// Its categories, without `@`.
    pub fn all_categories(&self) -> impl Iterator<Item = &'static str> {
        CATEGORIES
            .iter()
            .copied()
            .filter(|category| self.is_in(category))
    }
}

#[cfg(test)]
mod tests {
    use super::CATEGORIES;
    use crate::registry::registry;

    #[test]
    fn rows_name_categories_that_exist() {
        for registered in registry().all() {
            for category in registered.command.categories {
                let name = &registered.full_name;
                assert!(CATEGORIES.contains(category), "{name}: {category}");
            }
        }
    }
}
