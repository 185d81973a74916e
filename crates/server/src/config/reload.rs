//! Rereading the configuration file while the server runs: what has changed in it holds from then on, all or nothing.
//!
//! What counts is how the file differs from how it was when it was last read. So what CONFIG SET has changed stays, unless
//! the file now says something new about it.

use std::fs;
use std::path::Path;

use super::file;
use super::layers::{Errors, Layers};
use super::load::check_together;
use super::prefixes::{self, PrefixSettings};
use super::set::ask;
use super::source::Source;
use super::store::Config;
use super::table::{ROWS, Settings};
use super::value::Value;

/// What rereading the file has led to, one line for each setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// What has changed.
    pub changed: Vec<String>,
    /// What the file says and holds from the next start on.
    pub needs_restart: Vec<String>,
    /// What the file says in vain, because a flag or the environment says otherwise.
    pub overridden: Vec<String>,
}

impl Config {
    /// Rereads the file.
    ///
    /// # Errors
    /// When there is no file, or something in it is not valid. Nothing has changed then.
    pub fn reload(&self) -> Result<Reload, Errors> {
        let path = self
            .path()
            .ok_or_else(|| Errors(vec!["there is no configuration file".to_owned()]))?;
        let _not_while_it_is_written = self.rewriting.lock();
        let new = read(path)?;
        let mut state = self.state.lock();
        let mut reload = Reload::default();
        let mut merged = Layers::new();
        merged.values.clone_from(&state.values);
        merged.sources.clone_from(&state.sources);
        for (index, row) in ROWS.iter().enumerate() {
            let (value, source) = (&new.values[index], &new.sources[index]);
            let current = &state.values[index];
            let is_fixed = matches!(
                state.sources[index],
                Source::Environment(_) | Source::Flag(_)
            );
            let shown = |value: &Value| row.shown(value).to_string();
            let is_news = *value != state.file_values[index];
            if value == current || (!is_news && row.runtime) {
                continue;
            }
            if is_fixed {
                if is_news {
                    let by = &state.sources[index];
                    let (path, value) = (row.path, shown(value));
                    reload.overridden.push(format!(
                        "{path} = {value}, but {by} says {}",
                        shown(current)
                    ));
                }
            } else if row.runtime {
                let (path, before) = (row.path, shown(current));
                reload
                    .changed
                    .push(format!("{path} = {}, was {before}", shown(value)));
                merged.values[index] = value.clone();
                merged.sources[index] = source.clone();
            } else {
                let (path, value) = (row.path, shown(value));
                reload
                    .needs_restart
                    .push(format!("{path} = {value}, is {}", shown(current)));
            }
        }
        if plain(&new.prefixes) != plain(self.prefixes()) {
            reload.needs_restart.push("[[prefix]]".to_owned());
        }
        check_together(&mut merged, state.available_memory_bytes);
        if !merged.errors.is_empty() {
            return Err(Errors(merged.errors));
        }
        if merged.values != state.values {
            let before = Settings::from_values(&state.values, state.available_memory_bytes);
            let after = Settings::from_values(&merged.values, state.available_memory_bytes);
            ask(&state.hooks, &before, &after)
                .map_err(|refusal| Errors(vec![format!("{}: {}", refusal.path, refusal.reason)]))?;
            state.values = merged.values;
            state.sources = merged.sources;
            self.publish(after);
        }
        state.file_values = new.values;
        Ok(reload)
    }
}

/// What the file says, over the defaults.
fn read(path: &Path) -> Result<Layers, Errors> {
    let name = path.display().to_string();
    let bytes =
        fs::read(path).map_err(|error| Errors(vec![format!("cannot read {name}: {error}")]))?;
    let mut layers = Layers::new();
    file::read(&mut layers, &name, &bytes);
    prefixes::check(&mut layers);
    if layers.errors.is_empty() {
        Ok(layers)
    } else {
        Err(Errors(layers.errors))
    }
}

/// Without the lines where they stand.
fn plain(prefixes: &[PrefixSettings]) -> Vec<PrefixSettings> {
    let plain = prefixes.iter().map(|prefix| PrefixSettings {
        source: None,
        policy_source: None,
        ..prefix.clone()
    });
    plain.collect()
}
