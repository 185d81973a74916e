//! The request parser against its own input: whatever was encoded comes out, however it is split.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;
use resp::{Args, Limits, OwnedArgs, Parsed, ProtocolError, RequestParser, encode_request};

/// Feeds the input up to each of `ends` in turn, as a connection would that keeps the residue.
fn parse_split(input: &[u8], ends: &[usize]) -> (Vec<OwnedArgs>, Option<ProtocolError>) {
    let (mut parser, mut spans) = (RequestParser::default(), Vec::new());
    let (mut requests, mut start) = (Vec::new(), 0);
    for &end in ends {
        loop {
            let rest = &input[start..end];
            match parser.parse(rest, &Limits::standard(), &mut spans) {
                Ok(Parsed::Request { consumed }) => {
                    requests.push(Args::new(rest, &spans).into());
                    start += consumed;
                }
                Ok(Parsed::Quoted {
                    consumed,
                    arguments,
                }) => {
                    requests.push(*arguments);
                    start += consumed;
                }
                Ok(Parsed::Empty { consumed }) => start += consumed,
                Ok(Parsed::Incomplete { .. }) => break,
                Err(error) => return (requests, Some(error)),
            }
            spans.clear();
        }
    }
    assert_eq!(parser.is_partial(), start < input.len());
    (requests, None)
}

fn ends(input: &[u8], splits: &[Index]) -> Vec<usize> {
    let mut ends: Vec<usize> = splits
        .iter()
        .map(|split| split.index(input.len() + 1))
        .collect();
    ends.push(input.len());
    ends.sort_unstable();
    ends
}

fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..20),
        vec(any::<u8>(), 90..120),
        vec(Just(b'x'), 990..1010),
        vec(Just(b'x'), 9_990..10_010)
    ]
}

/// Pieces of which broken requests are made.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::sample::select(vec![
            b"*1\r\n".as_slice(), b"*2\r\n", b"*12\r\n", b"*0\r\n", b"*-1\r\n", b"$0\r\n\r\n", b"$1\r\nx\r\n", b"$4\r\nPING\r\n",
            b"$12\r\nHello world!\r\n", b"PING\r\n", b"ECHO \"a\\x41\" 'b'\n", b"\r\n", b"\n", b"\r", b" ", b"*", b"$", b"\"", b"1",
        ]).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #[test]
    fn encoded_requests_come_out(
        requests in vec(vec(argument(), 1..15), 1..6),
        splits in vec(any::<Index>(), 0..12),
    ) {
        let mut input = Vec::new();
        for request in &requests {
            encode_request(request, &mut input);
        }
        let expected: Vec<OwnedArgs> = requests.iter().map(|request| request.iter().collect()).collect();
        prop_assert_eq!(parse_split(&input, &ends(&input, &splits)), (expected, None));
    }

    #[test]
    fn splits_change_nothing(pieces in vec(piece(), 0..20), splits in vec(any::<Index>(), 0..12)) {
        let input = pieces.concat();
        let whole = parse_split(&input, &[input.len()]);
        prop_assert_eq!(&parse_split(&input, &ends(&input, &splits)), &whole);
        let every_byte: Vec<usize> = (0..=input.len()).collect();
        prop_assert_eq!(&parse_split(&input, &every_byte), &whole);
    }

    #[test]
    fn owned_arguments_are_the_same(arguments in vec(argument(), 0..10)) {
        let owned: OwnedArgs = arguments.iter().collect();
        let args = owned.as_args();
        prop_assert_eq!(args.len(), arguments.len());
        let copies = |args: Args<'_>| args.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        prop_assert_eq!(copies(args.tail(3)), arguments.iter().skip(3).cloned().collect::<Vec<_>>());
        prop_assert_eq!(copies(args), arguments);
        let tail = OwnedArgs::from(args.tail(2));
        prop_assert_eq!(tail.as_args().try_get(0), args.try_get(2));
    }
}
