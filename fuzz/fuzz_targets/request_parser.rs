//! The request parser: any bytes, split anywhere, give the same requests and the same error as in
//! one piece; what comes out lies in the input; and encoded again it comes out again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{
    Args, Limits, OwnedArgs, Parsed, ProtocolError, RequestParser, Span, encode_request,
    parse_short_arguments,
};

/// The first byte chooses the limits, the next four where the input is split.
const SPLITS: usize = 4;

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, ref splits @ ..], input)) = data.split_first_chunk::<{ SPLITS + 1 }>()
    else {
        return;
    };
    let limits = limits(choice);
    let whole = parse(input, &[input.len()], &limits);
    let mut ends: Vec<usize> = splits
        .iter()
        .map(|split| usize::from(*split) * (input.len() + 1) / 256)
        .collect();
    ends.push(input.len());
    ends.sort_unstable();
    assert_eq!(parse(input, &ends, &limits), whole);
    if input.len() <= 256 {
        let every: Vec<usize> = (0..=input.len()).collect();
        assert_eq!(parse(input, &every, &limits), whole);
    }
    again(&whole.0);
});

fn limits(choice: u8) -> Limits {
    let standard = Limits::standard();
    match choice % 4 {
        0 => standard,
        1 => Limits::before_authentication(),
        2 => Limits {
            bulk_bytes_max: 20,
            arguments_max: 5,
            ..standard
        },
        _ => Limits {
            inline_bytes_max: 16,
            request_bytes_max: 64,
            ..standard
        },
    }
}

/// What knows the beginning of a request finds the same arguments behind it, or leaves them to the parser.
fn check_short(input: &[u8], consumed: usize, spans: &[Span], limits: &Limits) {
    let [name, others @ ..] = spans else {
        return;
    };
    if name.start != 8 || input[0] != b'*' || !limits.take_short_requests() {
        return;
    }
    let (first, mut short) = (8 + name.len as usize + 2, Vec::new());
    let end = parse_short_arguments(input, first, others.len() as u32, &mut short);
    if let Some(end) = end {
        assert_eq!((end, &short[..]), (consumed, others));
    }
}

/// Feeds the input up to each end in turn, as a connection does.
fn parse(input: &[u8], ends: &[usize], limits: &Limits) -> (Vec<OwnedArgs>, Option<ProtocolError>) {
    let (mut parser, mut spans) = (RequestParser::default(), Vec::new());
    let (mut requests, mut start) = (Vec::new(), 0);
    for &end in ends {
        loop {
            let rest = &input[start..end];
            let consumed = match parser.parse(rest, limits, &mut spans) {
                Ok(Parsed::Request { consumed }) => {
                    assert!(!spans.is_empty());
                    check_short(rest, consumed, &spans, limits);
                    requests.push(OwnedArgs::from(Args::new(&rest[..consumed], &spans)));
                    consumed
                }
                Ok(Parsed::Quoted {
                    consumed,
                    arguments,
                }) => {
                    assert!(!arguments.as_args().is_empty());
                    requests.push(*arguments);
                    consumed
                }
                Ok(Parsed::Empty { consumed }) => consumed,
                Ok(Parsed::Incomplete { wanted }) => {
                    assert!(wanted > 0);
                    break;
                }
                Err(error) => return (requests, Some(error)),
            };
            assert!(consumed > 0);
            start += consumed;
            spans.clear();
        }
    }
    assert_eq!(parser.is_partial(), start < input.len());
    (requests, None)
}

fn again(requests: &[OwnedArgs]) {
    let mut encoded = Vec::new();
    for request in requests {
        let arguments: Vec<&[u8]> = request.as_args().iter().collect();
        encode_request(&arguments, &mut encoded);
    }
    let (parsed, error) = parse(&encoded, &[encoded.len()], &Limits::standard());
    assert_eq!(error, None);
    assert_eq!(parsed, requests);
}
