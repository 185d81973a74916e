//! The text of the ACL file: one line for each user.

use super::rule::has_spaces;
use super::user::{Fault, User};

/// A line of the file.
struct Line<'t> {
    number: usize,
    words: Vec<&'t [u8]>,
}

/// Makes the users of a file. `make` gives a user of that name as it is before its first rule. `name` is the file's
/// name in messages.
///
/// # Errors
/// Everything that is wrong with it, in one line, as Redis words it.
pub fn parse(
    name: &str,
    text: &[u8],
    mut make: impl FnMut(&[u8]) -> User,
) -> Result<Vec<User>, Vec<u8>> {
    let mut users: Vec<User> = Vec::new();
    let mut errors = Vec::new();
    for line in lines(text) {
        match parse_line(name, &line, &users, &mut make) {
            Ok(user) => users.push(user),
            Err(error) => errors.extend(error),
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    errors.extend(
        b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
    );
    Err(errors)
}

/// The lines that are not empty.
fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let numbered = text.split(|byte| *byte == b'\n').zip(1..);
    let lines = numbered.map(|(line, number)| {
        let words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
        Line {
            number,
            words: words.filter(|word| !word.is_empty()).collect(),
        }
    });
    lines.filter(|line| !line.words.is_empty())
}

fn parse_line(
    name: &str,
    line: &Line<'_>,
    before: &[User],
    make: &mut impl FnMut(&[u8]) -> User,
) -> Result<User, Vec<u8>> {
    let number = line.number;
    let [b"user", user, rules @ ..] = line.words.as_slice() else {
        let text = "should start with user keyword followed by the username. ";
        return Err(format!("{name}:{number} {text}").into_bytes());
    };
    if has_spaces(user) {
        let before = format!("'{name}:{number}: username '");
        return Err([before.as_bytes(), *user, b"' contains invalid characters. "].concat());
    }
    if before.iter().any(|known| known.name == *user) {
        let after = format!("' found on line {number}. ");
        return Err([b"WARNING: Duplicate user '", *user, after.as_bytes()].concat());
    }
    make(user)
        .changed(rules.iter().copied())
        .map_err(|fault| match fault {
            Fault::Parenthesis(_) => {
                format!("{name}:{number}: Unmatched parenthesis in selector definition.")
            }
            Fault::Rule(_, error) => format!("{name}:{number}: {}. ", error.text()),
        })
        .map_err(String::into_bytes)
}

/// The text of a file that makes these users.
pub fn text<'u>(users: impl Iterator<Item = &'u User>) -> Vec<u8> {
    let mut text = Vec::new();
    for user in users {
        text.extend(user.line());
        text.push(b'\n');
    }
    text
}
