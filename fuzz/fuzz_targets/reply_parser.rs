//! The reply parser: any bytes do no harm, the two ways of reading agree on the length, and no
//! beginning of a reply is taken for the whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{ReplyError, parse_reply, skip_reply};

fuzz_target!(|input: &[u8]| {
    let parsed = parse_reply(input);
    let skipped = skip_reply(input);
    match parsed {
        Ok(Some((_, len))) => {
            assert_eq!(skipped, Ok(Some(len)));
            for end in 0..len.min(512) {
                assert_eq!(skip_reply(&input[..end]), Ok(None));
                assert_eq!(parse_reply(&input[..end]), Ok(None));
            }
        }
        Ok(None) => assert_eq!(skipped, Ok(None)),
        // Skipping does not look at texts and numbers, nor at the depth.
        Err(ReplyError::Malformed | ReplyError::TooDeep) => {}
        Err(error @ ReplyError::UnknownType(_)) => assert_eq!(skipped, Err(error)),
    }
});
