//! Rules of users: no rule panics, a refused one changes nothing, and what is shown makes the same user again.

#![no_main]

use commands::acl::{Acl, Fault};
use libfuzzer_sys::fuzz_target;

const NAME: &[u8] = b"u";

fuzz_target!(|bytes: &[u8]| {
    let acl = Acl::default();
    for rules in bytes.split(|byte| *byte == b'\n') {
        let before = line(&acl);
        let words = rules.split(|byte| *byte == b' ');
        let changed: Result<(), Fault> = acl.set_user(NAME, words);
        if changed.is_err() {
            assert_eq!(line(&acl), before);
        }
    }
    let text = acl.file_text();
    let again = Acl::default();
    again
        .load("users.acl", &text)
        .expect("what is shown is right");
    // Payloads and channels of a new user are said, so that the texts are the same.
    assert_eq!(again.file_text(), text);
    // The text of a file may be anything.
    let _ = again.load("users.acl", bytes);
});

fn line(acl: &Acl) -> Option<Vec<u8>> {
    acl.user(NAME).map(|user| user.line())
}
