//! The checks of what a session may do, before its requests are executed.

use std::sync::atomic::Ordering::Relaxed;

use resp::Args;

use super::log::{Denial, Reason, Scene};
use super::selector::Denied;
use crate::connection::client_line::{Viewer, write_line};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;
use crate::registry::Registered;
use crate::session::Session;
use crate::shared::Shared;

/// Checks a request of a session that may not do everything.
///
/// # Errors
/// What its user may not do. It is in ACL LOG then.
#[cold]
#[inline(never)]
pub fn check(
    shared: &Shared,
    session: &Session,
    registered: &Registered,
    args: Args<'_>,
    now_ms: u64,
) -> Result<(), CommandError> {
    let Err(denied) = session.user.check(registered, args) else {
        return Ok(());
    };
    note_denied(shared, session, registered, args, denied, now_ms);
    let text = match denied {
        Denied::Command => {
            let name = &registered.full_name;
            return Err(CommandError::Line(
                format!("NOPERM this user has no permissions to run the '{name}' command").into(),
            ));
        }
        Denied::Key(_) => {
            "NOPERM this user has no permissions to access one of the keys used as arguments"
        }
    };
    Err(CommandError::line(text))
}

/// Checks a command of a transaction that is executed now.
///
/// # Errors
/// What its user may not do any more. It is in ACL LOG then.
pub fn check_queued(
    context: &Context<'_, '_>,
    registered: &Registered,
    args: Args<'_>,
) -> Result<(), CommandError> {
    let session = &*context.session;
    if session.may_everything {
        return Ok(());
    }
    let Err(denied) = session.user.check(registered, args) else {
        return Ok(());
    };
    let now_ms = context.now_ms();
    note_denied(context.shared, session, registered, args, denied, now_ms);
    let reason = match denied {
        Denied::Command => "no permission to execute the command",
        Denied::Key(_) => "no permission to touch the specified keys",
    };
    Err(CommandError::Line(
        format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {reason}"
        )
        .into(),
    ))
}

fn note_denied(
    shared: &Shared,
    session: &Session,
    registered: &Registered,
    args: Args<'_>,
    denied: Denied,
    now_ms: u64,
) {
    let (reason, object) = match denied {
        Denied::Command => (Reason::Command, registered.full_name.as_bytes()),
        Denied::Key(place) => (Reason::Key, args.get(place)),
    };
    let denial = Denial {
        reason,
        scene: scene(session),
        object: object.to_vec(),
        user: session.user.name.clone(),
    };
    note(shared, session, denial, args, now_ms);
}

/// Adds to ACL LOG.
fn note(shared: &Shared, session: &Session, denial: Denial, args: Args<'_>, now_ms: u64) {
    session.publish();
    let viewer = Viewer {
        id: session.client.id,
        argument_bytes: args.bytes(),
        now_ms,
    };
    let mut line = String::new();
    write_line(&mut line, &session.client, viewer);
    let entries_max = shared.acl.log_entries_max.load(Relaxed);
    shared
        .acl
        .log
        .add(denial, line.trim_end().to_owned(), now_ms, entries_max);
}

fn scene(session: &Session) -> Scene {
    if session.transaction.is_some() || session.executing > 0 {
        Scene::Transaction
    } else {
        Scene::TopLevel
    }
}

/// Whether a request gives a password that must wait, because too many wrong ones came from its address.
#[cold]
#[inline(never)]
pub fn must_wait(
    shared: &Shared,
    session: &mut Session,
    registered: &Registered,
    args: Args<'_>,
    now_ms: u64,
) -> bool {
    let gives_password = match registered.command.name {
        "auth" => true,
        "hello" => args.iter().any(|argument| is(argument, "auth")),
        _ => false,
    };
    if !gives_password || session.transaction.is_some() {
        return false;
    }
    let failures = &shared.acl.failures;
    let until_ms = failures.wait_until_ms(&session.client.address, now_ms);
    session.resumes_ms = until_ms.unwrap_or(0);
    until_ms.is_some()
}

/// Makes the session that of the named user, if that is its password.
///
/// # Errors
/// When it is not, or the user may not log in. It is in ACL LOG then, and counts against the client's address.
pub fn log_in(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    name: &[u8],
    password: &[u8],
) -> Result<(), CommandError> {
    let (shared, now_ms) = (context.shared, context.now_ms());
    let address = &context.session.client.address;
    // In a transaction nothing waits, so there is no further attempt.
    let must_wait = shared.acl.failures.wait_until_ms(address, now_ms).is_some();
    let user = shared.acl.authenticate(name, password);
    if let Some(user) = user.filter(|_| !must_wait) {
        context.session.log_in(user);
        return Ok(());
    }
    if let Some(count) = shared.acl.failures.note(address, now_ms) {
        shared.process.report_wrong_passwords(address, count);
    }
    let denial = Denial {
        reason: Reason::Authentication,
        scene: scene(context.session),
        object: args.name().to_vec(),
        user: name.to_vec(),
    };
    note(shared, context.session, denial, args, now_ms);
    Err(CommandError::line(
        "WRONGPASS invalid username-password pair or user is disabled.",
    ))
}
