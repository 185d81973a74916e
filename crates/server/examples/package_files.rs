//! Writes the files of packages that derive from the table of settings: the manual page and the completions of shells.
//!
//!     cargo run --package redistill --example package_files -- DIRECTORY

use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::Shell;
use redistill::config::{Kind, OWN_FLAGS, ROWS, Row, SECTIONS};

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: package_files DIRECTORY");
        return ExitCode::FAILURE;
    };
    match write(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command(), "redistill", directory)?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page)?;
    if page.is_empty() {
        return Err(Error::other("an empty manual page"));
    }
    fs::write(directory.join("redistill.1"), page)
}

/// The command line, as clap knows one. The server reads its own.
fn command() -> Command {
    let own = OWN_FLAGS.iter().map(|own| {
        let arg = Arg::new(own.name)
            .long(own.name.trim_start_matches('-'))
            .help(own.text);
        let arg = match own.short {
            Some(letter) => arg.short(letter),
            None => arg,
        };
        if own.value.is_empty() {
            arg.action(ArgAction::SetTrue)
        } else {
            arg.value_name(own.value).value_hint(ValueHint::FilePath)
        }
    });
    Command::new("redistill")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A Redis-compatible in-memory cache server")
        .long_about(
            "A Redis-compatible in-memory cache server. A setting is taken from its flag, else from its environment \
             variable, else from the configuration file (redistill.toml in the working directory, or that of --config), \
             else it has its default.",
        )
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(own)
        .args(ROWS.iter().map(setting))
}

/// The flag of a setting.
fn setting(row: &'static Row) -> Arg {
    let about = SECTIONS.iter().find(|(section, _)| *section == row.section);
    let mut help = row.text.trim().to_owned();
    if !row.default.is_empty() {
        help.push_str(&format!(" Default: {}.", row.default));
    }
    if !row.env.is_empty() {
        help.push_str(&format!(" Environment: {}.", row.env));
    }
    let mut arg = Arg::new(row.path)
        .long(row.path)
        .help(help)
        .value_name(row.name.to_uppercase())
        .help_heading(about.map_or(row.section, |(section, _)| section));
    if !row.redis.is_empty() {
        arg = arg.visible_alias(row.redis);
    }
    if let Some(letter) = row.short {
        arg = arg.short(letter);
    }
    match row.kind {
        Kind::Bool => arg.value_parser(PossibleValuesParser::new(["yes", "no"])),
        Kind::Words(words) => arg.value_parser(PossibleValuesParser::new(
            words.iter().map(|word| word.name),
        )),
        _ if row.name.ends_with("path") || row.name.ends_with("file") => {
            arg.value_hint(ValueHint::FilePath)
        }
        _ => arg,
    }
}
