//! Patterns as KEYS, SCAN and CONFIG GET know them: `*`, `?`, `[a-z]`, `[^ab]` and `\` before a byte that means itself.
//!
//! The rules are those of Redis's `stringmatchlen`, its corners included: a class that is not closed ends with the
//! pattern, bytes are ordered as signed characters, and no pattern but the empty one fits an empty text. Only the last
//! star is ever tried again, so the time is at most the product of both lengths, however many stars there are.

/// Whether upper and lower case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They differ, as in keys.
    Sensitive,
    /// They are the same, as in names of settings.
    Ignored,
}

/// Whether all of `text` fits `pattern`.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut place, mut at) = (0, 0);
    // What follows the last star, and where in the text it was last tried.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        if pattern.get(place) == Some(&b'*') {
            place = after_stars(pattern, place);
            if place == pattern.len() {
                return true;
            }
            retry = Some((place, at));
            continue;
        }
        if let Some(next) = step(pattern, place, text[at], case) {
            place = next;
            at += 1;
            continue;
        }
        let Some((after_star, tried)) = retry else {
            return false;
        };
        retry = Some((after_star, tried + 1));
        (place, at) = (after_star, tried + 1);
    }
    after_stars(pattern, place) == pattern.len()
}

/// Whether a pattern fits no text but itself.
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

fn after_stars(pattern: &[u8], place: usize) -> usize {
    let stars = pattern[place..].iter().take_while(|byte| **byte == b'*');
    place + stars.count()
}

/// The place after the element at `place`, which is no star, if that fits the byte.
fn step(pattern: &[u8], place: usize, byte: u8, case: Case) -> Option<usize> {
    let same = |other: u8| match case {
        Case::Sensitive => other == byte,
        Case::Ignored => other.eq_ignore_ascii_case(&byte),
    };
    match *pattern.get(place)? {
        b'?' => Some(place + 1),
        b'[' => class(pattern, place + 1, byte, case),
        b'\\' if place + 1 < pattern.len() => same(pattern[place + 1]).then_some(place + 2),
        other => same(other).then_some(place + 1),
    }
}

/// The place after the class that begins after its bracket, if it has the byte.
fn class(pattern: &[u8], mut place: usize, byte: u8, case: Case) -> Option<usize> {
    let is_negated = pattern.get(place) == Some(&b'^');
    place += usize::from(is_negated);
    let mut has_byte = false;
    loop {
        match pattern.get(place..) {
            None | Some([]) => break,
            // An escaped byte is itself in either case.
            Some([b'\\', escaped, ..]) => {
                has_byte |= *escaped == byte;
                place += 2;
            }
            Some([b']', ..]) => {
                place += 1;
                break;
            }
            // The end of a range may be a bracket: `[a-]` goes on.
            Some([first, b'-', last, ..]) => {
                has_byte |= in_range(*first, *last, byte, case);
                place += 3;
            }
            Some([member, ..]) => {
                has_byte |= match case {
                    Case::Sensitive => *member == byte,
                    Case::Ignored => member.eq_ignore_ascii_case(&byte),
                };
                place += 1;
            }
        }
    }
    (has_byte != is_negated).then_some(place)
}

/// Whether a range has the byte. Its ends are put in order first and lose their case then, as in Redis.
fn in_range(first: u8, last: u8, byte: u8, case: Case) -> bool {
    let order = |byte: u8| byte.cast_signed();
    let (low, high) = if order(first) > order(last) {
        (last, first)
    } else {
        (first, last)
    };
    let fold = |byte: u8| match case {
        Case::Sensitive => order(byte),
        Case::Ignored => order(byte.to_ascii_lowercase()),
    };
    (fold(low)..=fold(high)).contains(&fold(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::{Case, is_literal, matches};

    /// Redis's algorithm, word for word, without what keeps nested stars cheap.
    fn model(pattern: &[u8], text: &[u8], case: Case) -> bool {
        if pattern.is_empty() || text.is_empty() {
            return pattern.is_empty() && text.is_empty();
        }
        if pattern[0] == b'*' {
            let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
            let rest = &pattern[stars..];
            return rest.is_empty() || (0..text.len()).any(|at| model(rest, &text[at..], case));
        }
        let Some(rest) = model_step(pattern, text[0], case) else {
            return false;
        };
        let (rest, text) = (&pattern[rest..], &text[1..]);
        if text.is_empty() {
            return rest.iter().all(|byte| *byte == b'*');
        }
        model(rest, text, case)
    }

    fn model_step(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
        let fold = |byte: u8| match case {
            Case::Sensitive => byte,
            Case::Ignored => byte.to_ascii_lowercase(),
        };
        let mut place = 0;
        match pattern[0] {
            b'?' => return Some(1),
            b'[' => {
                place += 1;
                let negated = pattern.get(place) == Some(&b'^');
                if negated {
                    place += 1;
                }
                let mut found = false;
                loop {
                    let left = pattern.len() - place;
                    if left >= 2 && pattern[place] == b'\\' {
                        place += 1;
                        found |= pattern[place] == byte;
                    } else if left > 0 && pattern[place] == b']' {
                        break;
                    } else if left == 0 {
                        place -= 1;
                        break;
                    } else if left >= 3 && pattern[place + 1] == b'-' {
                        let mut ends = [pattern[place] as i8, pattern[place + 2] as i8];
                        ends.sort_unstable();
                        let [low, high] = ends.map(|end| fold(end as u8) as i8);
                        let middle = fold(byte) as i8;
                        found |= low <= middle && middle <= high;
                        place += 2;
                    } else {
                        found |= fold(pattern[place]) == fold(byte);
                    }
                    place += 1;
                }
                if found == negated {
                    return None;
                }
            }
            _ => {
                if pattern[0] == b'\\' && pattern.len() >= 2 {
                    place += 1;
                }
                if fold(pattern[place]) != fold(byte) {
                    return None;
                }
            }
        }
        Some(place + 1)
    }

    fn bytes(of: &'static [u8], max: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(select(of), 0..max)
    }

    proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(20_000))]
        #[test]
        fn any_pattern_means_what_it_means_to_redis(
            pattern in bytes(b"aabBC***??[[]]^-\\\xff", 14),
            text in bytes(b"aaabBC]-\\\xff", 10),
            case in select(&[Case::Sensitive, Case::Ignored][..]),
        ) {
            prop_assert_eq!(matches(&pattern, &text, case), model(&pattern, &text, case));
        }
    }

    #[test]
    fn patterns_match() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", false),
            ("*", "anything", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a", "ha", true),
            ("[^", "x", true),
            ("[", "x", false),
            ("[]", "]", false),
            ("[a-]", "a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("[\\]]", "]", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("abc**", "abc", true),
        ] {
            let fits = matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive);
            assert_eq!(fits, expected, "{pattern:?} {text:?}");
        }
        assert!(matches(b"MAX*[A-Z]", b"maxMemory", Case::Ignored));
        assert!(!matches(b"MAX*", b"maxmemory", Case::Sensitive));
    }

    #[test]
    fn nested_stars_end() {
        let pattern = "a*".repeat(2_000) + "b";
        let text = "a".repeat(20_000);
        assert!(!matches(
            pattern.as_bytes(),
            text.as_bytes(),
            Case::Sensitive
        ));
    }

    #[test]
    fn literals_are_known() {
        assert!(is_literal(b"key:1]") && is_literal(b""));
        for pattern in ["*", "a?", "[a]", "\\a"] {
            assert!(!is_literal(pattern.as_bytes()));
        }
    }
}
