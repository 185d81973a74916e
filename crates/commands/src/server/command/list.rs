//! COMMAND LIST.

use resp::Args;

use crate::context::Context;
use crate::error::CommandError;
use crate::glob::{self, Case};
use crate::parse::is;
use crate::registry::{Registered, registry};

/// Which commands are listed.
enum Filter<'a> {
    Module,
    Category(&'a [u8]),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Result<Option<Self>, CommandError> {
        if args.len() == 2 {
            return Ok(None);
        }
        let [Some(word), Some(by), Some(what), None] = [2, 3, 4, 5].map(|at| args.try_get(at))
        else {
            return Err(CommandError::Syntax);
        };
        if !is(word, "filterby") {
            return Err(CommandError::Syntax);
        }
        match by.to_ascii_lowercase().as_slice() {
            b"module" => Ok(Some(Self::Module)),
            b"aclcat" => Ok(Some(Self::Category(what))),
            b"pattern" => Ok(Some(Self::Pattern(what))),
            _ => Err(CommandError::Syntax),
        }
    }

    fn takes(&self, registered: &Registered) -> bool {
        match self {
            // No command comes from a module.
            Self::Module => false,
            Self::Category(category) => registered
                .command
                .all_categories()
                .any(|known| is(category, known)),
            Self::Pattern(pattern) => {
                glob::matches(pattern, registered.full_name.as_bytes(), Case::Ignored)
            }
        }
    }
}

/// COMMAND LIST: the commands, or the commands and subcommands that a filter takes.
pub fn list(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let names: Vec<&str> = match Filter::parse(args)? {
        None => registry().commands().map(name).collect(),
        Some(filter) => registry()
            .all()
            .iter()
            .filter(|registered| !registered.is_disabled() && filter.takes(registered))
            .map(name)
            .collect(),
    };
    context.reply.array(names.len());
    names
        .iter()
        .for_each(|name| context.reply.bulk(name.as_bytes()));
    Ok(())
}

fn name(registered: &Registered) -> &str {
    &registered.full_name
}
