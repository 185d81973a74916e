//! Who may see what shows keys or clients: with a password whoever gives that of a user who may do everything, without one
//! who comes from this machine.

use std::collections::VecDeque;
use std::net::IpAddr;

use commands::acl::{Acl, DEFAULT_USER};
use tracing::warn;

use super::limits::{ADDRESSES_MAX, WRONG_PASSWORDS_MAX};
use super::response::Response;
use super::status::Status;

/// How long wrong passwords count, in milliseconds.
const PERIOD_MS: u64 = 60_000;

/// Which passwords are right.
pub trait Passwords {
    /// Whether there is one.
    fn are_needed(&self) -> bool;

    /// Whether this is that of the user; compared in a time that does not tell where it differs.
    fn accept(&self, user: &[u8], password: &[u8]) -> bool;
}

impl Passwords for Acl {
    fn are_needed(&self) -> bool {
        !self.is_open()
    }

    /// Names that nobody has stand for the user `default`: those who have its password only have to fill in something.
    fn accept(&self, user: &[u8], password: &[u8]) -> bool {
        let name = self.user(user).map_or(DEFAULT_USER, |_| user);
        let user = self.authenticate(name, password);
        user.is_some_and(|user| user.may_everything())
    }
}

/// Wrong passwords of the last minute, by address.
#[derive(Default)]
pub struct Doorkeeper {
    wrong: VecDeque<Wrong>,
}

/// The wrong passwords of one address.
struct Wrong {
    address: Option<IpAddr>,
    since_ms: u64,
    times: u32,
}

impl Doorkeeper {
    /// Lets a client in, or says what it is answered. `address` is none when it is not known.
    pub fn check(
        &mut self,
        passwords: &(impl Passwords + ?Sized),
        authorization: Option<&str>,
        address: Option<IpAddr>,
        now_ms: u64,
    ) -> Result<(), Response> {
        if !passwords.are_needed() {
            let is_local = address.is_some_and(|address| address.is_loopback());
            return if is_local { Ok(()) } else { Err(forbidden()) };
        }
        let Some(authorization) = authorization else {
            return Err(unauthorized());
        };
        self.wrong
            .retain(|wrong| now_ms.saturating_sub(wrong.since_ms) < PERIOD_MS);
        let place = self.wrong.iter().position(|wrong| wrong.address == address);
        if place.is_some_and(|place| self.wrong[place].times >= WRONG_PASSWORDS_MAX) {
            return Err(
                Response::of_status(Status::TooManyRequests).with_header("Retry-After", "60")
            );
        }
        let given = credentials(authorization);
        if given.is_some_and(|(user, password)| passwords.accept(&user, &password)) {
            return Ok(());
        }
        self.count(place, address, now_ms);
        Err(unauthorized())
    }

    fn count(&mut self, place: Option<usize>, address: Option<IpAddr>, now_ms: u64) {
        let Some(place) = place else {
            if self.wrong.len() == ADDRESSES_MAX {
                self.wrong.pop_front();
            }
            return self.wrong.push_back(Wrong {
                address,
                since_ms: now_ms,
                times: 1,
            });
        };
        let wrong = &mut self.wrong[place];
        wrong.times += 1;
        if wrong.times == WRONG_PASSWORDS_MAX {
            let address = address.map_or_else(|| "?".to_owned(), |address| address.to_string());
            warn!(
                address,
                "too many wrong passwords over HTTP: no more are looked at for a minute"
            );
        }
    }
}

fn forbidden() -> Response {
    Response::text(
        Status::Forbidden,
        "Without a password (security.password) this is shown to clients on the same machine only.",
    )
}

fn unauthorized() -> Response {
    let line = "This needs the password (security.password, or that of a user who may do everything), by HTTP Basic, or as \
                a Bearer token.";
    Response::text(Status::Unauthorized, line).with_header(
        "WWW-Authenticate",
        "Basic realm=\"Redistill\", charset=\"UTF-8\"",
    )
}

/// The user and the password of an Authorization header.
fn credentials(authorization: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, rest) = authorization.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((DEFAULT_USER.to_vec(), rest.as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = from_base64(rest)?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some((pair[..colon].to_vec(), pair[colon + 1..].to_vec()))
}

/// The bytes of a text in base64 (RFC 4648), with or without its padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes().map(|byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let (mut bytes, mut bits, mut length) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        bits = bits << 6 | u32::from(digit?);
        length += 6;
        if length >= 8 {
            length -= 8;
            bytes.push((bits >> length) as u8);
            bits &= (1 << length) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{Doorkeeper, PERIOD_MS, Passwords, credentials, from_base64};
    use crate::http::limits::{ADDRESSES_MAX, WRONG_PASSWORDS_MAX};

    struct Password(&'static str);

    impl Passwords for Password {
        fn are_needed(&self) -> bool {
            !self.0.is_empty()
        }

        fn accept(&self, _: &[u8], password: &[u8]) -> bool {
            password == self.0.as_bytes()
        }
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(number).into())
    }

    const LOCAL: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

    #[test]
    fn without_a_password_this_machine_is_let_in() {
        let mut doorkeeper = Doorkeeper::default();
        for (address, expected) in [(LOCAL, None), (address(1), Some(403)), (None, Some(403))] {
            let answer = doorkeeper.check(&Password(""), None, address, 0);
            assert_eq!(answer.err().map(|it| it.status.code()), expected);
        }
    }

    #[test]
    fn with_a_password_everybody_needs_it() {
        let mut doorkeeper = Doorkeeper::default();
        for (header, expected) in [
            (None, Some(401)),
            (Some("Bearer wrong"), Some(401)),
            (Some("Bearer right"), None),
        ] {
            let answer = doorkeeper.check(&Password("right"), header, LOCAL, 0);
            assert_eq!(
                answer.err().map(|it| it.status.code()),
                expected,
                "{header:?}"
            );
        }
    }

    #[test]
    fn nobody_tries_all_passwords() {
        let mut doorkeeper = Doorkeeper::default();
        let mut ask = |header: &str, number: u32, now_ms: u64| {
            let answer =
                doorkeeper.check(&Password("right"), Some(header), address(number), now_ms);
            answer.err().map_or(200, |it| it.status.code())
        };
        for _ in 0..WRONG_PASSWORDS_MAX {
            assert_eq!(ask("Bearer wrong", 1, 0), 401);
        }
        assert_eq!(ask("Bearer wrong", 1, 1), 429);
        assert_eq!(ask("Bearer right", 1, 1), 429);
        assert_eq!(ask("Bearer right", 2, 1), 200);
        assert_eq!(ask("Bearer right", 1, PERIOD_MS), 200);
        for number in 0..2 * ADDRESSES_MAX as u32 {
            assert_eq!(ask("Bearer wrong", number, PERIOD_MS), 401);
        }
        assert_eq!(doorkeeper.wrong.len(), ADDRESSES_MAX);
    }

    #[test]
    fn base64_is_read() {
        for (text, expected) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm8", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYmFy", Some("foobar")),
            ("Zm9v YmFy", None),
            ("Zm9-", None),
        ] {
            assert_eq!(
                from_base64(text).as_deref(),
                expected.map(str::as_bytes),
                "{text}"
            );
        }
    }

    #[test]
    fn passwords_are_found() {
        for (header, expected) in [
            ("Basic YWRtaW46YTpi", Some(("admin", "a:b"))),
            ("basic OnNlY3JldA==", Some(("", "secret"))),
            ("Bearer secret", Some(("default", "secret"))),
            ("Bearer", None),
            ("Basic c2VjcmV0", None),
            ("Digest secret", None),
        ] {
            let expected = expected.map(|(user, password)| (user.into(), password.into()));
            assert_eq!(credentials(header), expected, "{header}");
        }
    }
}
