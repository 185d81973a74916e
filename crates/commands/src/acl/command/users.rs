//! ACL SETUSER, DELUSER, GETUSER, LIST, USERS, LOAD, SAVE.

use std::sync::Arc;

use resp::{Args, ReplyWriter};

use crate::acl::describe::{channel_rules, command_rules, key_rules};
use crate::acl::rule::has_spaces;
use crate::acl::selector::Selector;
use crate::acl::user::{DEFAULT_USER, Fault, User};
use crate::connection::client_kill::close;
use crate::context::Context;
use crate::error::CommandError;

const NO_FILE: CommandError = CommandError::line(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
     command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
     users in the Redis configuration.",
);

/// ACL SETUSER.
pub fn set(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (name, rules) = (args.get(2), args.tail(3));
    if has_spaces(name) {
        return Err(CommandError::line(
            "ERR Usernames can't contain spaces or null characters",
        ));
    }
    let set = context.shared.acl.set_user(name, rules.iter());
    set.map_err(|fault| match fault {
        Fault::Parenthesis(at) => {
            let before = "Unmatched parenthesis in acl selector starting at '";
            CommandError::repeating(before, rules.get(at), "'.")
        }
        Fault::Rule(rule, error) => {
            let after = format!("': {}", error.text());
            CommandError::repeating("Error in ACL SETUSER modifier '", &rule, &after)
        }
    })?;
    context.reply.ok();
    Ok(())
}

/// ACL DELUSER.
pub fn remove(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let names = args.tail(2);
    if names.iter().any(|name| name == DEFAULT_USER) {
        return Err(CommandError::line(
            "ERR The 'default' user cannot be removed",
        ));
    }
    let removed = context.shared.acl.remove_users(names.iter());
    close_clients(context, &removed);
    context.reply.integer(removed.len().cast_signed() as i64);
    Ok(())
}

/// Closes the connections of users that are gone.
fn close_clients(context: &mut Context<'_, '_>, removed: &[Arc<User>]) {
    let mut clients = context.shared.clients.all();
    clients.retain(|client| {
        let user = client.user.lock().id;
        removed.iter().any(|removed| removed.id == user)
    });
    close(context, &clients);
    context.session.follow(&context.shared.acl);
}

/// ACL GETUSER.
pub fn show(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let reply = &mut context.reply;
    let Some(user) = context.shared.acl.user(args.get(2)) else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(user.flags().count());
    user.flags().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    for password in user.passwords() {
        reply.bulk(password.to_hex().as_bytes());
    }
    show_selector(reply, user.root());
    reply.bulk(b"selectors");
    reply.array(user.selectors().len());
    for selector in user.selectors() {
        reply.map(3);
        show_selector(reply, selector);
    }
    Ok(())
}

fn show_selector(reply: &mut ReplyWriter<'_>, selector: &Selector) {
    let parts: [(&[u8], Vec<Vec<u8>>); 3] = [
        (b"commands", command_rules(selector.permissions())),
        (b"keys", key_rules(selector)),
        (b"channels", channel_rules(selector)),
    ];
    for (name, rules) in parts {
        reply.bulk(name);
        reply.bulk(&rules.join(&b' '));
    }
}

/// ACL LIST.
pub fn list(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let users = context.shared.acl.users();
    context.reply.array(users.len());
    users
        .iter()
        .for_each(|user| context.reply.bulk(&user.line()));
    Ok(())
}

/// ACL USERS.
pub fn names(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let users = context.shared.acl.users();
    context.reply.array(users.len());
    users.iter().for_each(|user| context.reply.bulk(&user.name));
    Ok(())
}

/// ACL LOAD.
pub fn load(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let file = context.shared.process.read_acl_file();
    let file = file.map_err(|line| CommandError::Line(line.into()))?;
    let (name, text) = file.ok_or(NO_FILE)?;
    let loaded = context.shared.acl.load(&name, &text);
    let removed = loaded.map_err(|errors| CommandError::repeating("", &errors, ""))?;
    close_clients(context, &removed);
    context.reply.ok();
    Ok(())
}

/// ACL SAVE.
pub fn save(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let text = context.shared.acl.file_text();
    let written = context.shared.process.write_acl_file(&text);
    if !written.map_err(|line| CommandError::Line(line.into()))? {
        return Err(NO_FILE);
    }
    context.reply.ok();
    Ok(())
}
