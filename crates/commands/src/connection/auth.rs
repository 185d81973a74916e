//! AUTH: who a client is.

use resp::Args;

use super::{BEFORE_AUTHENTICATION, CONNECTION};
use crate::acl::DEFAULT_USER;
use crate::acl::guard::log_in;
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;

pub const AUTH: Command = Command {
    name: "auth",
    arity: -2,
    flags: BEFORE_AUTHENTICATION,
    since: "1.0.0",
    summary: "Authenticates the connection",
    complexity: "O(N) where N is the length of the password",
    syntax: "[username] password",
    run: auth,
    ..CONNECTION
};

fn auth(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    match args.len() {
        2 if context.shared.acl.default_user().needs_no_password() => {
            return Err(CommandError::line(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => log_in(context, args, DEFAULT_USER, args.get(1))?,
        3 => log_in(context, args, args.get(1), args.get(2))?,
        _ => return Err(CommandError::Syntax),
    }
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check};

    #[test]
    fn without_a_password_every_one_is_right() {
        check(
            "AUTH x
             AUTH default x
             AUTH other x
             AUTH a b c
             AUTH",
            "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?
             OK
             -WRONGPASS invalid username-password pair or user is disabled.
             -ERR syntax error
             -ERR wrong number of arguments for 'auth' command",
        );
    }

    /// A server whose password is `secret`.
    fn guarded() -> TestServer {
        let server = TestServer::new();
        server.shared.acl.set_default_password(Some(b"secret"));
        server
    }

    #[test]
    fn a_password_opens() {
        let script = "PING
             AUTH wrong
             AUTH default wrong
             PING
             AUTH secret
             PING
             AUTH wrong
             PING
             b> AUTH other secret
             b> AUTH default secret
             b> RESET
             b> PING";
        let expected = [
            "-NOAUTH Authentication required.",
            "-WRONGPASS invalid username-password pair or user is disabled.",
            "-WRONGPASS invalid username-password pair or user is disabled.",
            "-NOAUTH Authentication required.",
            "OK",
            "PONG",
            "-WRONGPASS invalid username-password pair or user is disabled.",
            "PONG",
            "-WRONGPASS invalid username-password pair or user is disabled.",
            "OK",
            "RESET",
            "-NOAUTH Authentication required.",
        ];
        assert_eq!(guarded().run(script), expected.join("\n"));
    }

    #[test]
    fn hello_can_authenticate() {
        let mut server = guarded();
        let refused = server.run("HELLO 3\nHELLO 3 AUTH default wrong\nHELLO 2 SETNAME x");
        let noauth = "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                      <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP \
                      protocol version at the same time";
        let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
        assert_eq!(refused, [noauth, wrong, noauth].join("\n"));
        let welcome = server.run("HELLO 3 SETNAME me AUTH default secret");
        assert!(welcome.starts_with("{server redis"), "{welcome}");
        assert_eq!(server.run("CLIENT GETNAME"), "me");
    }
}
