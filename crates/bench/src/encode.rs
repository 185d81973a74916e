//! Requests that are encoded once and then only get new key digits.
//!
//! A `Template` is one request with the places of its random digits. A `Pipeline` is the buffer from which a thread
//! sends: for a workload of one request it holds that request many times, and a new batch costs a random number and
//! one 8-byte store for each key.

use crate::keys::KeyPicker;

/// Digits of `__rand_int__`, as in redis-benchmark.
pub const RANDOM_DIGITS: usize = 12;

/// The placeholder that redis-benchmark users know; it is as long as the digits that replace it.
pub const PLACEHOLDER: &[u8; RANDOM_DIGITS] = b"__rand_int__";

/// Where a key's decimal digits stand in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DigitSlot {
    offset: usize,
    digits: usize,
}

/// An argument of a request: bytes, in which some places take a key's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argument {
    bytes: Vec<u8>,
    slots: Vec<DigitSlot>,
}

impl Argument {
    /// An argument in which each `__rand_int__` is replaced by 12 digits of a new key number in each request.
    pub fn parse(text: &[u8]) -> Self {
        let mut bytes = text.to_vec();
        let mut slots = Vec::new();
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&bytes[from..], PLACEHOLDER) {
            let offset = from + at;
            bytes[offset..offset + RANDOM_DIGITS].fill(b'0');
            slots.push(DigitSlot {
                offset,
                digits: RANDOM_DIGITS,
            });
            from = offset + RANDOM_DIGITS;
        }
        Argument { bytes, slots }
    }

    /// An argument without random digits.
    pub fn fixed(bytes: Vec<u8>) -> Self {
        Argument {
            bytes,
            slots: Vec::new(),
        }
    }

    /// `prefix` and zero-padded digits of a key number, `bytes_total` together (at least one digit).
    pub fn key(prefix: &str, bytes_total: usize) -> Self {
        let digits = bytes_total.saturating_sub(prefix.len()).max(1);
        let mut bytes = prefix.as_bytes().to_vec();
        bytes.resize(prefix.len() + digits, b'0');
        // Numbers have at most 20 digits; in a longer key the leading zeros stay as they are.
        let slot_digits = digits.min(20);
        let offset = bytes.len() - slot_digits;
        Argument {
            bytes,
            slots: vec![DigitSlot {
                offset,
                digits: slot_digits,
            }],
        }
    }
}

/// One encoded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    bytes: Vec<u8>,
    slots: Vec<DigitSlot>,
}

impl Template {
    /// A RESP array of bulk strings.
    pub fn command(arguments: &[Argument]) -> Self {
        let mut template = Template {
            bytes: format!("*{}\r\n", arguments.len()).into_bytes(),
            slots: Vec::new(),
        };
        for argument in arguments {
            template
                .bytes
                .extend_from_slice(format!("${}\r\n", argument.bytes.len()).as_bytes());
            let start = template.bytes.len();
            template.bytes.extend_from_slice(&argument.bytes);
            template.bytes.extend_from_slice(b"\r\n");
            let moved = argument.slots.iter().map(|slot| DigitSlot {
                offset: start + slot.offset,
                ..*slot
            });
            template.slots.extend(moved);
        }
        template
    }

    /// A request that is sent as it is, for example an inline command with its line end.
    pub fn raw(bytes: &[u8]) -> Self {
        Template {
            bytes: bytes.to_vec(),
            slots: Vec::new(),
        }
    }

    /// The request, with zeros for random digits.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of the request.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the request has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Key numbers that one request takes.
    pub fn keys(&self) -> usize {
        self.slots.len()
    }
}

/// The send buffer of a thread.
#[derive(Debug)]
pub struct Pipeline {
    templates: Vec<Template>,
    /// Of two templates: the first is chosen when 32 random bits are below this.
    first_share: u32,
    buffer: Vec<u8>,
}

impl Pipeline {
    /// For batches of up to `requests_max` of one request, or of a random mix of two, in which `first_share / 2^32`
    /// of the requests are the first one.
    pub fn new(templates: Vec<Template>, first_share: u32, requests_max: usize) -> Self {
        assert!(
            matches!(templates.len(), 1 | 2),
            "a workload has one request or two"
        );
        let buffer = match templates.as_slice() {
            [only] => only.bytes.repeat(requests_max),
            _ => Vec::with_capacity(
                templates.iter().map(Template::len).max().unwrap_or(0) * requests_max,
            ),
        };
        Pipeline {
            templates,
            first_share,
            buffer,
        }
    }

    /// Prepares a batch of `count` requests and returns its bytes. For a mix, `kinds` is filled with the number of
    /// the template of each request; otherwise it is left alone.
    #[inline]
    pub fn fill(&mut self, count: usize, picker: &mut KeyPicker<'_>, kinds: &mut Vec<u8>) -> &[u8] {
        match self.templates.as_slice() {
            [only] => {
                picker.claim((count * only.keys()) as u64);
                let bytes = &mut self.buffer[..count * only.len()];
                for request in bytes.chunks_exact_mut(only.len()) {
                    patch(request, &only.slots, picker);
                }
                bytes
            }
            _ => self.fill_mix(count, picker, kinds),
        }
    }

    fn fill_mix(&mut self, count: usize, picker: &mut KeyPicker<'_>, kinds: &mut Vec<u8>) -> &[u8] {
        let keys_max = self.templates.iter().map(Template::keys).max().unwrap_or(0);
        picker.claim((count * keys_max) as u64);
        self.buffer.clear();
        kinds.clear();
        for _ in 0..count {
            let kind = u8::from((picker.random().bits() >> 32) as u32 >= self.first_share);
            kinds.push(kind);
            let template = &self.templates[usize::from(kind)];
            let start = self.buffer.len();
            self.buffer.extend_from_slice(&template.bytes);
            patch(&mut self.buffer[start..], &template.slots, picker);
        }
        &self.buffer
    }
}

#[inline]
fn patch(request: &mut [u8], slots: &[DigitSlot], picker: &mut KeyPicker<'_>) {
    for slot in slots {
        write_digits(
            &mut request[slot.offset..slot.offset + slot.digits],
            picker.pick(),
        );
    }
}

/// Writes `number` in decimal over all of `place`, zero-padded; upper digits that do not fit are cut off.
#[inline]
fn write_digits(place: &mut [u8], number: u64) {
    if number < 100_000_000
        && let Some((zeros, low)) = place.split_last_chunk_mut::<8>()
    {
        *low = eight_digits(number as u32);
        // Twelve digits are the usual case, for which no function should be called.
        match <&mut [u8; 4]>::try_from(&mut *zeros) {
            Ok(four) => *four = *b"0000",
            Err(_) => zeros.fill(b'0'),
        }
        return;
    }
    let mut rest = number;
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// The eight decimal digits of a number below 10^8, computed side by side in one register: split in halves of four
/// digits, then of two, then of one, each quotient by a multiplication that is exact in its range (the technique of
/// P. Khuong, "How to print integers really fast", 2017).
#[inline]
fn eight_digits(number: u32) -> [u8; 8] {
    debug_assert!(number < 100_000_000);
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    let ones = tens | (twos - 10 * tens) << 8;
    (ones + 0x3030_3030_3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::keys::KeyOrder;

    #[test]
    fn eight_digits_are_decimal() {
        let corners = [
            0, 9, 10, 99, 100, 9_999, 10_000, 12_345_678, 99_990_000, 99_999_999,
        ];
        for number in (0..10_000)
            .chain((0..100_000_000).step_by(7_919))
            .chain(corners)
        {
            assert_eq!(
                eight_digits(number),
                format!("{number:08}").as_bytes(),
                "{number}"
            );
        }
        // Each half passes through the same steps: all values of both.
        for half in 0..10_000 {
            let number = half * 10_000 + (9_999 - half);
            assert_eq!(eight_digits(number), format!("{number:08}").as_bytes());
        }
    }

    #[test]
    fn digits_fill_slots_of_every_width() {
        for (width, number, expected) in [
            (12, 12, "000000000012"),
            (8, 99_999_999, "99999999"),
            (12, 123_456_789_012, "123456789012"),
            (3, 42, "042"),
            (20, u64::MAX, "18446744073709551615"),
        ] {
            let mut place = vec![b'#'; width];
            write_digits(&mut place, number);
            assert_eq!(std::str::from_utf8(&place).unwrap(), expected);
        }
    }

    fn sequential<'a>(cursor: &'a AtomicU64) -> KeyPicker<'a> {
        KeyPicker::new(KeyOrder::Sequential, 1000, cursor, 1)
    }

    #[test]
    fn a_batch_is_the_request_with_new_digits() {
        let template = Template::command(&[Argument::parse(b"GET"), Argument::key("key:", 16)]);
        let mut pipeline = Pipeline::new(vec![template], 0, 4);
        let cursor = AtomicU64::new(9);
        let bytes = pipeline.fill(2, &mut sequential(&cursor), &mut Vec::new());
        let expected =
            b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000009\r\n*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000010\r\n";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn placeholders_are_replaced_one_by_one() {
        let template = Template::command(&[Argument::parse(b"a:__rand_int__:b__rand_int__")]);
        assert_eq!(template.keys(), 2);
        let mut pipeline = Pipeline::new(vec![template], 0, 1);
        let cursor = AtomicU64::new(1);
        let bytes = pipeline.fill(1, &mut sequential(&cursor), &mut Vec::new());
        assert_eq!(bytes, b"*1\r\n$28\r\na:000000000001:b000000000002\r\n");
    }

    #[test]
    fn a_mix_has_its_share_of_each_request() {
        let set = Template::command(&[
            Argument::parse(b"SET"),
            Argument::key("k", 5),
            Argument::parse(b"v"),
        ]);
        let get = Template::command(&[Argument::parse(b"GET"), Argument::key("k", 5)]);
        let lengths = [set.len(), get.len()];
        let mut pipeline = Pipeline::new(vec![set, get], u32::MAX / 4, 10_000);
        let cursor = AtomicU64::new(0);
        let mut kinds = Vec::new();
        let bytes = pipeline.fill(10_000, &mut sequential(&cursor), &mut kinds);
        let gets = kinds.iter().filter(|&&kind| kind == 1).count();
        assert!((7_300..7_700).contains(&gets), "{gets}");
        assert_eq!(
            bytes.len(),
            gets * lengths[1] + (10_000 - gets) * lengths[0]
        );
    }

    #[test]
    fn key_arguments_have_the_asked_length() {
        for bytes_total in [5, 16, 40] {
            assert_eq!(Argument::key("key:", bytes_total).bytes.len(), bytes_total);
        }
    }
}
