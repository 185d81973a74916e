//! Permissions in words: the rules that ACL LIST and GETUSER show, in Redis's order and form.
//!
//! What commands are allowed is shown by as few rules as Redis needs: first those for categories that fit best, then
//! those for single commands.

use super::permissions::Permissions;
use super::rule::{Change, KeyPattern, access};
use super::selector::Selector;
use crate::categories::CATEGORIES;
use crate::registry::{Registered, registry};

/// The rule that adds a selector: its rules in parentheses.
pub fn selector_rule(selector: &Selector) -> Vec<u8> {
    let words: Vec<Vec<u8>> = words(selector).into_iter().map(quoted).collect();
    [b"(", words.join(&b' ').as_slice(), b")"].concat()
}

/// A rule between parentheses, which are read like a command line: a parenthesis at its end would be the last one.
fn quoted(rule: Vec<u8>) -> Vec<u8> {
    let is_plain = !rule.iter().any(|byte| matches!(byte, b'"' | b'\'')) && !rule.ends_with(b")");
    if is_plain {
        return rule;
    }
    let mut quoted = vec![b'"'];
    for byte in rule {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    quoted
}

/// The rules for all that a selector allows: keys, channels, commands.
pub fn words(selector: &Selector) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    words.extend(key_rules(selector));
    if !selector.has_all_channels() {
        words.push(b"resetchannels".to_vec());
    }
    words.extend(channel_rules(selector));
    words.extend(command_rules(selector.permissions()));
    words
}

/// The rules for keys.
pub fn key_rules(selector: &Selector) -> Vec<Vec<u8>> {
    if selector.has_all_keys() {
        return vec![b"~*".to_vec()];
    }
    selector.keys().iter().map(key_rule).collect()
}

fn key_rule(KeyPattern { pattern, access }: &KeyPattern) -> Vec<u8> {
    let before: &[u8] = match *access {
        access::READ => b"%R~",
        access::WRITE => b"%W~",
        // `~*` would be another rule, after which there may be no further pattern.
        _ if pattern == b"*" => b"%RW~",
        _ => b"~",
    };
    [before, pattern].concat()
}

/// The rules for channels.
pub fn channel_rules(selector: &Selector) -> Vec<Vec<u8>> {
    if selector.has_all_channels() {
        return vec![b"&*".to_vec()];
    }
    let channels = selector.channels().iter();
    channels
        .map(|pattern| [b"&", pattern.as_slice()].concat())
        .collect()
}

/// The rules for commands.
pub fn command_rules(permissions: &Permissions) -> Vec<Vec<u8>> {
    let mut description = Description::begin(permissions);
    description.add_categories(permissions);
    let commands = registry().all().iter();
    for registered in commands.filter(|registered| !registered.is_subcommand()) {
        description.add_command(permissions, registered);
        for subcommand in registry().subcommands(registered) {
            description.add_command(permissions, subcommand);
        }
        description.add_first_arguments(permissions, registered);
    }
    description.rules
}

/// Rules so far, and the permissions that they give.
struct Description {
    rules: Vec<Vec<u8>>,
    given: Permissions,
    /// Of what a category's rule does.
    change: Change,
}

impl Description {
    fn begin(permissions: &Permissions) -> Self {
        let mut given = Permissions::none();
        let mut rules = Vec::new();
        // What is taken from all commands allows those of later versions, what is added to none does not.
        let change = if permissions.begins_with_all() {
            given.set_all(Change::Allow);
            rules.push(b"+@all".to_vec());
            Change::Deny
        } else {
            rules.push(b"-@all".to_vec());
            Change::Allow
        };
        Self {
            rules,
            given,
            change,
        }
    }

    /// Adds the category that fits best, for as long as there is one with more commands that are right than wrong.
    fn add_categories(&mut self, permissions: &Permissions) {
        let mut left = permissions.clone();
        let mut categories: Vec<&str> = CATEGORIES.to_vec();
        let (sign, opposite) = match self.change {
            Change::Allow => ("+@", Change::Deny),
            Change::Deny => ("-@", Change::Allow),
        };
        while let Some(at) = best_category(&left, self.change, &categories) {
            let category = categories.remove(at);
            self.given.set_category(category, self.change);
            left.set_category(category, opposite);
            self.rules.push(format!("{sign}{category}").into_bytes());
        }
    }

    fn add_command(&mut self, permissions: &Permissions, registered: &Registered) {
        let is_allowed = permissions.allows(registered.id);
        if is_allowed == self.given.allows(registered.id) {
            return;
        }
        let (sign, change) = match is_allowed {
            true => ('+', Change::Allow),
            false => ('-', Change::Deny),
        };
        self.rules
            .push(format!("{sign}{}", registered.full_name).into_bytes());
        self.given.set_command(registered, change);
    }

    fn add_first_arguments(&mut self, permissions: &Permissions, registered: &Registered) {
        if permissions.allows(registered.id) {
            return;
        }
        for argument in permissions.first_arguments_of(registered) {
            let before = format!("+{}|", registered.full_name);
            self.rules.push([before.as_bytes(), argument].concat());
        }
    }
}

/// The category with the fewest commands that are not to change, and of those the one with most that are.
fn best_category(left: &Permissions, change: Change, categories: &[&str]) -> Option<usize> {
    let counts = categories.iter().map(|category| {
        let (allowed, denied) = left.count(category);
        match change {
            Change::Allow => (allowed, denied),
            Change::Deny => (denied, allowed),
        }
    });
    let fitting = counts
        .enumerate()
        .filter(|(_, (same, different))| same > different);
    // Of several that are as good the first one counts.
    let best = fitting.min_by_key(|(_, (same, different))| (*different, usize::MAX - same));
    best.map(|(at, _)| at)
}
