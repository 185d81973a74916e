//! CONFIG REWRITE of users: brings `[[security.users]]` up to the users of the running server, as Redis does with the
//! `user` lines of its file. Tables that still say what a user may do stay as they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use commands::acl::{Acl, DEFAULT_USER, User};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value, value};

use super::table::Settings;
use super::users::{SECTION, TABLES, UserSettings};
use crate::access;

/// The tables as they become.
#[derive(Default)]
struct Tables {
    tables: ArrayOfTables,
    /// Whether something has become different.
    is_changed: bool,
    /// Comments above tables that are gone: they may be about more than that user.
    comments: String,
}

/// Writes the users into the document, unless they stand in an ACL file.
///
/// # Errors
/// What cannot be written.
pub fn update(document: &mut DocumentMut, settings: &Settings, acl: &Acl) -> Result<(), String> {
    if settings.security.acl_file.is_some() {
        return Ok(());
    }
    let users = acl.users().into_iter();
    let mut users: BTreeMap<Vec<u8>, Arc<User>> =
        users.map(|user| (user.name.clone(), user)).collect();
    let planned = access::configured(settings);
    let mut new = Tables::default();
    for table in tables(document)? {
        let settings = settings_of(&table);
        match users.remove(settings.name.as_bytes()) {
            Some(user) => new.keep(table, &settings, &user, &planned)?,
            None => new.leave_out(&table),
        }
    }
    for user in users.values() {
        let is_as_planned = is_same(&planned, user) && user.name == DEFAULT_USER;
        if !is_as_planned {
            new.add(user)?;
        }
    }
    if new.is_changed {
        put(document, new)?;
    }
    Ok(())
}

/// The tables of the document.
fn tables(document: &DocumentMut) -> Result<Vec<Table>, String> {
    let section = document.get(SECTION).and_then(Item::as_table_like);
    let Some(item) = section.and_then(|section| section.get(TABLES)) else {
        return Ok(Vec::new());
    };
    let tables = item.clone().into_array_of_tables();
    let tables = tables.map_err(|_| "[[security.users]] is not an array of tables")?;
    Ok(tables.into_iter().collect())
}

/// What a table says, as far as it is right.
fn settings_of(table: &Table) -> UserSettings {
    let mut settings = UserSettings::default();
    for (key, item) in table {
        // What is wrong is not what the user is, and so is replaced.
        let _ = settings.set(key, item);
    }
    settings
}

impl Tables {
    fn keep(
        &mut self,
        mut table: Table,
        settings: &UserSettings,
        user: &User,
        planned: &Acl,
    ) -> Result<(), String> {
        let rules = settings.rules.iter().map(String::as_bytes);
        let is_right = planned.define_user(&user.name, rules).is_ok() && is_same(planned, user);
        if !is_right {
            let mut rules = rules_of(user)?;
            if let Some(Item::Value(old)) = table.get("rules") {
                *rules.decor_mut() = old.decor().clone();
            }
            table.insert("rules", Item::Value(rules));
            self.is_changed = true;
        }
        self.push(table);
        Ok(())
    }

    fn leave_out(&mut self, table: &Table) {
        self.is_changed = true;
        let above = table.decor().prefix().and_then(|prefix| prefix.as_str());
        self.comments
            .push_str(above.filter(|text| text.contains('#')).unwrap_or_default());
    }

    fn add(&mut self, user: &User) -> Result<(), String> {
        let mut table = Table::new();
        table.insert("name", value(text(&user.name, &user.name)?));
        table.insert("rules", Item::Value(rules_of(user)?));
        table.decor_mut().set_prefix("\n");
        self.is_changed = true;
        self.push(table);
        Ok(())
    }

    fn push(&mut self, mut table: Table) {
        let comments = std::mem::take(&mut self.comments);
        if !comments.is_empty() {
            let own = table.decor().prefix().and_then(|prefix| prefix.as_str());
            let prefix = comments + own.unwrap_or_default();
            table.decor_mut().set_prefix(prefix);
        }
        self.tables.push(table);
    }
}

/// Whether the user is as it is planned.
fn is_same(planned: &Acl, user: &User) -> bool {
    let planned = planned.user(&user.name);
    planned.is_some_and(|planned| planned.line() == user.line())
}

/// Puts the tables in the place of those that there were.
fn put(document: &mut DocumentMut, new: Tables) -> Result<(), String> {
    if !new.comments.is_empty() {
        let trailing = document.trailing().as_str().unwrap_or_default();
        let trailing = new.comments + trailing;
        document.set_trailing(trailing);
    }
    let mut without_header = Table::new();
    without_header.set_implicit(true);
    let section = document
        .entry(SECTION)
        .or_insert(Item::Table(without_header))
        .as_table_like_mut()
        .ok_or_else(|| format!("[{SECTION}] is not a section"))?;
    if new.tables.is_empty() {
        section.remove(TABLES);
    } else {
        section.insert(TABLES, Item::ArrayOfTables(new.tables));
    }
    Ok(())
}

/// The rules of a user: one text, or one for each rule where a rule has spaces that the text would not keep.
fn rules_of(user: &User) -> Result<Value, String> {
    let rules = user.rules();
    let rules = rules.iter().map(|rule| text(rule, &user.name));
    let rules = rules.collect::<Result<Vec<&str>, String>>()?;
    let is_split_alike = |rule: &&str| rule.split_whitespace().eq(rule.split(' '));
    Ok(match rules.iter().all(is_split_alike) {
        true => rules.join(" ").into(),
        false => rules.into_iter().collect::<Array>().into(),
    })
}

fn text<'t>(bytes: &'t [u8], name: &[u8]) -> Result<&'t str, String> {
    let name = String::from_utf8_lossy(name);
    let not_text = |_| format!("the name or a rule of the user '{name}' is not UTF-8");
    std::str::from_utf8(bytes).map_err(not_text)
}
