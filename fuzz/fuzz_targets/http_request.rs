//! The HTTP endpoint's requests: any bytes do no harm; what is a request is one whatever follows it, and no beginning of
//! it is one; a beginning that is refused stays refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redistill::http::request::{Parsed, parse};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    if let Parsed::Request(request, bytes) = &whole {
        assert!(0 < *bytes && *bytes <= input.len());
        assert!(request.path.starts_with('/') && !request.path.contains('?'));
        let _ = (request.field("count"), request.field(""));
        assert_eq!(parse(&input[..*bytes]), whole);
    }
    if input.len() > 512 {
        return;
    }
    for end in 0..input.len() {
        match parse(&input[..end]) {
            Parsed::Incomplete => {}
            // Nobody knows more about it later.
            decided => return assert_eq!(decided, whole),
        }
    }
});
