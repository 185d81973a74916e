//! Reads the command line. A setting's flag is its path, `--server.port 6380` or
//! `--server.port=6380`, or Redis's name for it, `--port 6380`; some have a letter, `-p 6380`.

use std::ffi::OsString;

use super::layers::{Errors, Layers};
use super::nearest::nearest;
use super::source::Source;
use super::table::{ROWS, constant, find};

/// What the command line says.
#[derive(Debug, Default)]
pub struct Arguments {
    /// The value of `--config`.
    pub config: Option<String>,
    /// The value of `--import-redis-conf`.
    pub import: Option<String>,
    /// Whether `--check-config` is there.
    pub check_config: bool,
    /// Whether `--check-health` is there.
    pub check_health: bool,
    /// Whether `--help` is there.
    pub help: bool,
    /// Whether `--version` is there.
    pub version: bool,
    /// The settings in the order of the command line.
    settings: Vec<Setting>,
}

/// One setting on the command line.
#[derive(Debug)]
struct Setting {
    /// Its place in the rows.
    index: usize,
    /// The flag as it was written.
    flag: String,
    value: String,
}

/// A flag that is no setting.
pub struct OwnFlag {
    /// Its name, with the dashes.
    pub name: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// What its value is; empty when it takes none.
    pub value: &'static str,
    /// What it does.
    pub text: &'static str,
    store: fn(&mut Arguments, String),
}

/// The flags that are no settings.
pub static OWN_FLAGS: &[OwnFlag] = &[
    OwnFlag {
        name: "--config",
        short: Some('c'),
        value: "FILE",
        text: "Reads this file instead of redistill.toml in the working directory.",
        store: |arguments, value| arguments.config = Some(value),
    },
    OwnFlag {
        name: "--check-config",
        short: None,
        value: "",
        text: "Checks the configuration and prints every setting and where it came from.",
        store: |arguments, _| arguments.check_config = true,
    },
    OwnFlag {
        name: "--check-health",
        short: None,
        value: "",
        text: "Asks the server that runs with the same configuration on this machine whether it is ready, over HTTP; the \
               exit status tells.",
        store: |arguments, _| arguments.check_health = true,
    },
    OwnFlag {
        name: "--import-redis-conf",
        short: None,
        value: "FILE",
        text: "Prints a configuration file that means what this redis.conf means, and what of it could not be carried \
               over.",
        store: |arguments, value| arguments.import = Some(value),
    },
    OwnFlag {
        name: "--help",
        short: Some('h'),
        value: "",
        text: "Prints this text.",
        store: |arguments, _| arguments.help = true,
    },
    OwnFlag {
        name: "--version",
        short: Some('v'),
        value: "",
        text: "Prints the version.",
        store: |arguments, _| arguments.version = true,
    },
];

/// What a flag stands for.
#[derive(Clone, Copy)]
enum Meaning {
    /// One of [`OWN_FLAGS`].
    Own(&'static OwnFlag),
    /// The row at this place.
    Row(usize),
    /// A name of Redis whose value here is always this.
    Constant(&'static str),
}

/// Reads the arguments, without the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Errors> {
    let mut parsed = Arguments::default();
    let mut errors = Vec::new();
    let mut rest = arguments.into_iter().peekable();
    while let Some(argument) = rest.next() {
        let next = || {
            let is_flag =
                |next: &OsString| next.to_str().is_some_and(|next| next.starts_with("--"));
            rest.next_if(|next| !is_flag(next))
        };
        if let Err(error) = parsed.take(&argument, next) {
            errors.push(error);
        }
    }
    if errors.is_empty() {
        Ok(parsed)
    } else {
        Err(Errors(errors))
    }
}

impl Arguments {
    /// Adds the settings of the command line.
    pub fn read(&self, layers: &mut Layers) {
        for Setting { index, flag, value } in &self.settings {
            layers.set_text(*index, value, Source::Flag(flag.clone()));
        }
    }

    /// Takes one flag, and its value from `next` if it needs one.
    fn take(
        &mut self,
        argument: &OsString,
        next: impl FnOnce() -> Option<OsString>,
    ) -> Result<(), String> {
        let argument = argument
            .to_str()
            .ok_or_else(|| format!("argument {argument:?} is not UTF-8 text"))?;
        let (flag, attached) = split(argument);
        let Some(meaning) = meaning(flag) else {
            if argument.starts_with('-') && attached.is_none() {
                // The value of the unknown flag would be a second error.
                next();
            }
            return Err(unknown(argument, flag));
        };
        if let Meaning::Own(OwnFlag {
            value: "", store, ..
        }) = meaning
        {
            if attached.is_some() {
                return Err(format!("flag {flag} takes no value"));
            }
            store(self, String::new());
            return Ok(());
        }
        let value = match attached {
            Some(value) => value.to_owned(),
            None => next()
                .ok_or_else(|| format!("flag {flag} needs a value"))?
                .into_string()
                .map_err(|value| format!("flag {flag}: {value:?} is not UTF-8 text"))?,
        };
        match meaning {
            Meaning::Own(own) => (own.store)(self, value),
            Meaning::Row(index) => self.settings.push(Setting {
                index,
                flag: flag.to_owned(),
                value,
            }),
            Meaning::Constant(only) if value.eq_ignore_ascii_case(only) => {}
            Meaning::Constant(only) => {
                return Err(format!(
                    "flag {flag}: '{value}' is not supported, only '{only}' is"
                ));
            }
        }
        Ok(())
    }
}

/// The flag and the value that is written in the same argument.
fn split(argument: &str) -> (&str, Option<&str>) {
    if argument.starts_with("--") {
        return match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (argument, None),
        };
    }
    match argument.char_indices().nth(2) {
        Some((at, _)) if argument.starts_with('-') => {
            let (flag, value) = argument.split_at(at);
            (flag, Some(value.strip_prefix('=').unwrap_or(value)))
        }
        _ => (argument, None),
    }
}

fn meaning(flag: &str) -> Option<Meaning> {
    if let Some(name) = flag.strip_prefix("--") {
        let own = OWN_FLAGS.iter().find(|own| own.name == flag);
        return own
            .map(Meaning::Own)
            .or_else(|| find(name).map(|(index, _)| Meaning::Row(index)))
            .or_else(|| constant(name).map(|constant| Meaning::Constant(constant.value)));
    }
    let letter = flag.strip_prefix('-')?.chars().next();
    let own = OWN_FLAGS
        .iter()
        .find(|own| own.short.is_some() && own.short == letter);
    let row = || {
        ROWS.iter()
            .position(|row| row.short.is_some() && row.short == letter)
    };
    own.map(Meaning::Own).or_else(|| row().map(Meaning::Row))
}

fn unknown(argument: &str, flag: &str) -> String {
    if !argument.starts_with('-') {
        return format!(
            "unexpected argument '{argument}'; a configuration file is given by --config FILE"
        );
    }
    let own = OWN_FLAGS.iter().map(|own| &own.name[2..]);
    let names = ROWS.iter().flat_map(|row| [row.path, row.redis, row.name]);
    let near = nearest(flag.trim_start_matches('-'), own.chain(names));
    // A key without its section is no flag: name the whole path.
    let full = near.map(|near| {
        match ROWS
            .iter()
            .find(|row| row.name == near && row.redis != near)
        {
            Some(row) => row.path,
            None => near,
        }
    });
    match full {
        Some(full) => format!("unknown flag {flag}; did you mean --{full}?"),
        None => format!("unknown flag {flag}; --help lists them"),
    }
}
