//! ACL CAT, DRYRUN, GENPASS, WHOAMI.

use resp::Args;

use super::too_many;
use crate::acl::password::to_hex;
use crate::acl::selector::Denied;
use crate::categories::CATEGORIES;
use crate::context::Context;
use crate::dispatch::resolve;
use crate::error::CommandError;
use crate::parse::{integer, is};
use crate::registry::registry;

/// Bits of a password when nothing else is asked for.
const PASSWORD_BITS: i64 = 256;
/// The most bits of a password.
const PASSWORD_BITS_MAX: i64 = 4096;
/// The most bytes of a category that an error repeats.
const CATEGORY_SHOWN_BYTES_MAX: usize = 128;

/// ACL CAT.
pub fn cat(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let names: Vec<&str> = match (args.try_get(2), args.len()) {
        (None, _) => CATEGORIES.to_vec(),
        (Some(name), 3) => commands_of(name)?,
        _ => return Err(too_many(args)),
    };
    context.reply.array(names.len());
    names
        .iter()
        .for_each(|name| context.reply.bulk(name.as_bytes()));
    Ok(())
}

/// The names of the commands and subcommands of a category.
fn commands_of(name: &[u8]) -> Result<Vec<&'static str>, CommandError> {
    let category = CATEGORIES.iter().find(|known| is(name, known));
    let category = category.ok_or_else(|| {
        let shown = &name[..name.len().min(CATEGORY_SHOWN_BYTES_MAX)];
        CommandError::repeating("Unknown category '", shown, "'")
    })?;
    let all = registry().all().iter();
    let of_category = all.filter(|registered| registered.command.is_in(category));
    Ok(of_category
        .map(|registered| registered.full_name.as_str())
        .collect())
}

/// ACL DRYRUN.
pub fn dry_run(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (name, request) = (args.get(2), args.tail(3));
    let user = context.shared.acl.user(name);
    let user = user.ok_or_else(|| CommandError::repeating("User '", name, "' not found"))?;
    let registered = resolve(request)
        .filter(|registered| !registered.is_container() || request.len() == 1)
        .ok_or_else(|| CommandError::repeating("Command '", request.name(), "' not found"))?;
    if !registered.takes(request.len()) {
        return Err(CommandError::WrongArity(registered.full_name.clone()));
    }
    match user.check(registered, request) {
        Ok(()) => context.reply.ok(),
        Err(Denied::Command) => {
            let name = &registered.full_name;
            let text = format!("This user has no permissions to run the '{name}' command");
            context.reply.bulk(text.as_bytes());
        }
        Err(Denied::Key(place)) => {
            let (before, after) = ("This user has no permissions to access the '", "' key");
            let text = [before.as_bytes(), request.get(place), after.as_bytes()].concat();
            context.reply.bulk(&text);
        }
    }
    Ok(())
}

/// ACL GENPASS.
pub fn make_password(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let bits = match (args.try_get(2), args.len()) {
        (None, _) => PASSWORD_BITS,
        (Some(bits), 3) => integer(bits)?,
        _ => return Err(too_many(args)),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(CommandError::other(format_args!(
            "ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {PASSWORD_BITS_MAX}"
        )));
    }
    let digits = (bits as usize).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    let filled = context.shared.process.fill_random(&mut bytes);
    filled.map_err(|line| CommandError::Line(line.into()))?;
    context.reply.bulk(&to_hex(&bytes).as_bytes()[..digits]);
    Ok(())
}

/// ACL WHOAMI.
pub fn who_am_i(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.reply.bulk(&context.session.user.name);
    Ok(())
}
