//! CONFIG SET: checks every pair, asks the hooks, and then changes all of the settings or none. The
//! texts of errors are those of Redis 7.0.

use super::source::Source;
use super::store::{Config, Hook, Refusal};
use super::table::{CONSTANTS, ROWS, Settings, constant, find};
use super::value::Value;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// The row at this place.
    Row(usize),
    /// The constant at this place.
    Constant(usize),
}

/// A name that was found.
#[derive(Clone, Copy)]
struct Named {
    target: Target,
    /// The name in its own spelling.
    name: &'static str,
}

impl Config {
    /// Changes the settings named by the pairs of name and value, all or none. The error is the whole
    /// line for the client, without its end.
    pub fn set(&self, pairs: &[(&[u8], &[u8])]) -> Result<(), String> {
        let named = resolve(pairs)?;
        let mut state = self.state.lock();
        let mut values = state.values.clone();
        for (named, (_, bytes)) in named.iter().zip(pairs) {
            let value = named
                .check(bytes)
                .map_err(|reason| failed(named.name, &reason))?;
            if let (Target::Row(index), Some(value)) = (named.target, value) {
                values[index] = value.over(&state.values[index]);
            }
        }
        if values != state.values {
            let before = Settings::from_values(&state.values, state.available_memory_bytes);
            let after = Settings::from_values(&values, state.available_memory_bytes);
            ask(&state.hooks, &before, &after).map_err(|refusal| {
                let name = named.iter().find(|named| named.path() == refusal.path);
                failed(
                    name.map_or(refusal.path, |named| named.name),
                    &refusal.reason,
                )
            })?;
            state.values = values;
            self.publish(after);
        }
        for Named { target, .. } in &named {
            if let Target::Row(index) = target {
                state.sources[*index] = Source::ConfigSet;
            }
        }
        Ok(())
    }
}

/// Finds what the names stand for, and refuses those that are unknown, fixed or given twice.
fn resolve(pairs: &[(&[u8], &[u8])]) -> Result<Vec<Named>, String> {
    let mut found: Vec<Named> = Vec::with_capacity(pairs.len());
    for (bytes, _) in pairs {
        let given = String::from_utf8_lossy(bytes);
        let named = Named::find(&given).ok_or_else(|| {
            format!("ERR Unknown option or number of arguments for CONFIG SET - '{given}'")
        })?;
        if found.iter().any(|other| other.target == named.target) {
            return Err(failed(named.name, "duplicate parameter"));
        }
        if !named.is_settable() {
            return Err(failed(named.name, "can't set immutable config"));
        }
        found.push(named);
    }
    Ok(found)
}

impl Named {
    fn find(given: &str) -> Option<Named> {
        if let Some((index, row)) = find(given) {
            let names = [row.path, row.redis, row.also];
            let name = names.iter().find(|name| name.eq_ignore_ascii_case(given));
            return Some(Named {
                target: Target::Row(index),
                name: name.copied().unwrap_or(row.path),
            });
        }
        let constant = constant(given)?;
        let index = CONSTANTS
            .iter()
            .position(|other| other.name == constant.name)?;
        Some(Named {
            target: Target::Constant(index),
            name: constant.name,
        })
    }

    fn is_settable(self) -> bool {
        match self.target {
            Target::Row(index) => ROWS[index].runtime,
            Target::Constant(index) => CONSTANTS[index].settable,
        }
    }

    /// The path of the setting; empty for a constant.
    fn path(self) -> &'static str {
        match self.target {
            Target::Row(index) => ROWS[index].path,
            Target::Constant(_) => "",
        }
    }

    /// The new value, `None` where nothing is to be stored, or why there is none.
    fn check(self, bytes: &[u8]) -> Result<Option<Value>, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "argument must be UTF-8 text")?;
        match self.target {
            Target::Row(index) => {
                let row = &ROWS[index];
                let value = row.kind.parse(text).map_err(|fault| {
                    if self.name != row.path {
                        fault.redis()
                    } else {
                        format!("argument {fault}")
                    }
                })?;
                Ok(Some(value))
            }
            Target::Constant(index) => {
                let only = CONSTANTS[index].value;
                if text.eq_ignore_ascii_case(only) {
                    Ok(None)
                } else {
                    Err(format!("is not supported: its only value is '{only}'"))
                }
            }
        }
    }
}

/// Asks every hook. When one refuses, those before it are told to go back, the last first.
pub(super) fn ask(hooks: &[Hook], before: &Settings, after: &Settings) -> Result<(), Refusal> {
    for (index, hook) in hooks.iter().enumerate() {
        if let Err(refusal) = hook(before, after) {
            for earlier in hooks[..index].iter().rev() {
                // A hook that cannot go back keeps the new value: nothing better is left to do.
                let _ = earlier(after, before);
            }
            return Err(refusal);
        }
    }
    Ok(())
}

fn failed(name: &str, reason: &str) -> String {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
}
