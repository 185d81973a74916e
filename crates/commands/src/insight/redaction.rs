//! Arguments that are neither logged nor shown to who watches: passwords.

use resp::Args;

use crate::parse::is;
use crate::registry::Registered;

/// What is shown instead.
pub const REDACTED: &[u8] = b"(redacted)";

/// The arguments as they may be shown.
pub fn shown<'a>(
    registered: &'static Registered,
    args: Args<'a>,
) -> impl ExactSizeIterator<Item = &'a [u8]> {
    (0..args.len()).map(move |at| {
        if is_secret(registered.full_name.as_str(), args, at) {
            REDACTED
        } else {
            args.get(at)
        }
    })
}

fn is_secret(command: &str, args: Args<'_>, at: usize) -> bool {
    let is_option = |at: Option<usize>| {
        at.and_then(|at| args.try_get(at))
            .is_some_and(|word| is(word, "AUTH"))
    };
    match command {
        "auth" => at >= 1,
        "hello" => at >= 3 && (is_option(at.checked_sub(1)) || is_option(at.checked_sub(2))),
        "config|set" => at >= 3 && at % 2 == 1 && is_secret_setting(args.get(at - 1)),
        "acl|setuser" => at >= 2,
        _ => false,
    }
}

/// Redis's names, and the paths of ours, of settings whose value is a password or has one.
fn is_secret_setting(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let has = |word: &[u8]| name.windows(word.len()).any(|part| part == word);
    has(b"pass") || has(b"auth")
}

#[cfg(test)]
mod tests {
    use resp::OwnedArgs;

    use super::shown;
    use crate::registry::registry;

    #[test]
    fn passwords_are_not_shown() {
        for (request, expected) in [
            ("GET auth", "GET auth"),
            ("AUTH secret", "AUTH (redacted)"),
            ("auth user secret", "auth (redacted) (redacted)"),
            (
                "HELLO 3 AUTH user secret SETNAME me",
                "HELLO 3 AUTH (redacted) (redacted) SETNAME me",
            ),
            (
                "HELLO 3 SETNAME me auth u s",
                "HELLO 3 SETNAME me auth (redacted) (redacted)",
            ),
            (
                "CONFIG SET maxmemory 1 RequirePass secret",
                "CONFIG SET maxmemory 1 RequirePass (redacted)",
            ),
            ("CONFIG GET requirepass", "CONFIG GET requirepass"),
        ] {
            let mut args = OwnedArgs::new();
            for word in request.split(' ') {
                args.push(word.as_bytes());
            }
            let registered = registry().resolve(args.as_args()).expect("a command");
            let words: Vec<&str> = shown(registered, args.as_args())
                .map(|word| std::str::from_utf8(word).expect("ASCII"))
                .collect();
            assert_eq!(words.join(" "), expected);
        }
    }
}
