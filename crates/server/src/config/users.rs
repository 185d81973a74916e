//! `[[security.users]]`: users and their rules. An array of tables is no setting: it stands in the file only.

use std::collections::BTreeSet;

use commands::acl::{Acl, has_spaces};
use toml_edit::Item;

use super::layers::Layers;
use super::nearest::nearest;
use super::source::Source;
use crate::access::describe;

/// The section and the key of the tables.
pub const SECTION: &str = "security";
/// See [`SECTION`].
pub const TABLES: &str = "users";

/// A key that such a table has, and what it means.
pub static USER_ROWS: &[(&str, &str, &str)] = &[
    ("name", "text", "The name of the user. It must be there."),
    (
        "rules",
        "text, or an array of texts",
        "What the user may do, as after the name in ACL SETUSER: `on >password ~cache:* +@read`. An array has one rule in \
         each text, which may then have spaces.",
    ),
];

/// One of the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSettings {
    /// The name of the user.
    pub name: String,
    /// Its rules.
    pub rules: Vec<String>,
    /// The place of the table in the file.
    pub source: Option<Source>,
}

impl UserSettings {
    /// Takes the value of a key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set(&mut self, key: &str, item: &Item) -> Result<(), String> {
        match key {
            "name" => {
                let name = item
                    .as_str()
                    .ok_or("security.users.name must be a string")?;
                self.name = name.to_owned();
            }
            "rules" => {
                let rules = rules(item);
                self.rules =
                    rules.ok_or("security.users.rules must be a string or an array of strings")?;
            }
            _ => return Err(unknown_key(key)),
        }
        Ok(())
    }

    fn fault(&self) -> Option<String> {
        if self.name.is_empty() {
            return Some("name must be there and not be empty".to_owned());
        }
        if has_spaces(self.name.as_bytes()) {
            return Some("a name must not have spaces".to_owned());
        }
        let rules = self.rules.iter().map(String::as_bytes);
        let defined = Acl::default().define_user(self.name.as_bytes(), rules);
        let text = describe(&defined.err()?);
        Some(format!("user \"{}\": {text}", self.name))
    }
}

fn rules(item: &Item) -> Option<Vec<String>> {
    if let Some(text) = item.as_str() {
        return Some(text.split_whitespace().map(str::to_owned).collect());
    }
    let rules = item.as_array()?.iter();
    rules.map(|rule| rule.as_str().map(str::to_owned)).collect()
}

/// Notes what is wrong with the tables.
pub fn check(layers: &mut Layers) {
    let users = std::mem::take(&mut layers.users);
    let mut names = BTreeSet::new();
    for user in &users {
        let source = user.source.clone().unwrap_or(Source::Default);
        if let Some(fault) = user.fault() {
            layers.fault(&source, &format!("[[security.users]]: {fault}"));
        } else if !names.insert(&user.name) {
            let name = &user.name;
            layers.fault(
                &source,
                &format!("[[security.users]]: name \"{name}\" stands there twice"),
            );
        }
    }
    layers.users = users;
}

fn unknown_key(key: &str) -> String {
    let text = format!("unknown key '{key}' in [[security.users]]");
    match nearest(key, USER_ROWS.iter().map(|row| row.0)) {
        Some(name) => format!("{text}; did you mean '{name}'?"),
        None => text,
    }
}
