//! The types that a setting can have: how each is read from TOML and from text (environment, flags,
//! CONFIG SET), what its limits are, and how it is written again. Nothing here knows a setting by
//! name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use commands::insight::Percentile;
use commands::registry::registry;
use toml_edit::{Array, Item, Value as Toml};

use super::output_limits::{GivenLimits, LimitsFault, OutputLimits};
use super::portion::{Portion, Whole};
use super::size;

/// A value that has passed the checks of its [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Integer(u64),
    /// A whole number that may be negative.
    Signed(i32),
    /// A size in bytes.
    Bytes(u64),
    /// From where on something counts; `None` for never.
    Threshold(Option<u64>),
    /// An amount of memory that may depend on another.
    Portion(Portion),
    /// Limits of what waits for clients.
    OutputLimits(GivenLimits),
    /// On or off.
    Bool(bool),
    /// Text, a path, or a file mode in octal digits.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// One of a fixed set of words, by its own name.
    Word(&'static str),
}

/// A word that a setting accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its name in the TOML file.
    pub name: &'static str,
    /// The nearest name that Redis has for it, which CONFIG GET answers under Redis's name of the
    /// setting, and which is accepted everywhere; empty if Redis has nothing like it.
    pub redis: &'static str,
}

/// The type of a setting, with its limits (both ends included).
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number.
    Integer {
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A whole number of 32 bits that may be negative.
    Signed,
    /// A power of two.
    PowerOfTwo {
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A size in bytes: a number, or text such as `512mb`.
    Bytes {
        /// The smallest allowed, in bytes.
        min: u64,
        /// The largest allowed, in bytes.
        max: u64,
    },
    /// A number from which on something counts, or -1 for never.
    Threshold,
    /// Percentages with spaces between them, see [`Percentile`].
    Percentiles,
    /// A size in bytes, or a percentage of another, see [`Portion`].
    Portion(Whole),
    /// Limits of what waits for clients, see [`OutputLimits`].
    OutputLimits,
    /// `true` or `false`; `yes` and `no` outside TOML.
    Bool,
    /// Free text, a path for instance. Empty means none.
    Text,
    /// Text that is never printed. Empty means none.
    Secret,
    /// Addresses to listen on, see [`BindAddress`].
    Addresses,
    /// Names of commands, see [`CommandNames`].
    Commands,
    /// The permissions of a file in octal digits, such as `770`; `0` leaves them to the umask.
    FileMode,
    /// One of a fixed set of words.
    Words(&'static [Word]),
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A TOML value of another type: what was expected, what was found.
    WrongType(&'static str, &'static str),
    /// Text that is no whole number.
    NotInteger,
    /// Text that is no size in bytes.
    NotBytes,
    /// Text that is neither a size in bytes nor a percentage.
    NotAPortion(Whole),
    /// More than 100 %.
    PercentTooLarge,
    /// Limits of what waits for clients that are not well-formed.
    OutputLimits(LimitsFault),
    /// Text that is neither yes nor no.
    NotBool,
    /// A number that is neither -1 nor positive.
    NotAThreshold,
    /// Text that is not percentages.
    NotPercentiles,
    /// A number outside the limits.
    OutOfRange(u64, u64),
    /// A number beyond 32 bits.
    OutOfSignedRange,
    /// Not a power of two within the limits.
    NotPowerOfTwo(u64, u64),
    /// None of the words.
    NotAWord(&'static [Word]),
    /// Not an address.
    NotAnAddress(String),
    /// No addresses at all.
    NoAddress,
    /// Not the name of a command.
    NotACommand(String),
    /// Not octal digits of a file mode.
    NotAFileMode,
    /// A character that the text may not hold.
    NulCharacter,
}

impl Kind {
    /// Reads a value from text.
    pub fn parse(&self, text: &str) -> Result<Value, Fault> {
        match *self {
            Kind::Integer { .. } | Kind::PowerOfTwo { .. } => {
                self.checked_integer(parse_integer(text)?)
            }
            Kind::Bytes { .. } => self.checked_bytes(size::parse(text).ok_or(Fault::NotBytes)?),
            Kind::Signed => checked_signed(parse_integer(text)?),
            Kind::Threshold => checked_threshold(parse_integer(text)?),
            Kind::Percentiles => checked_percentiles(text),
            Kind::Portion(whole) => checked_portion(text, whole),
            Kind::OutputLimits => GivenLimits::parse(text)
                .map(Value::OutputLimits)
                .map_err(Fault::OutputLimits),
            Kind::Bool => match text.to_ascii_lowercase().as_str() {
                "yes" | "true" => Ok(Value::Bool(true)),
                "no" | "false" => Ok(Value::Bool(false)),
                _ => Err(Fault::NotBool),
            },
            Kind::Text | Kind::Secret => {
                if text.contains('\0') {
                    return Err(Fault::NulCharacter);
                }
                Ok(Value::Text(text.to_owned()))
            }
            Kind::Addresses => checked_addresses(text.split([',', ' ', '\t'])),
            Kind::Commands => checked_commands(text.split([',', ' ', '\t'])),
            Kind::FileMode => checked_file_mode(text),
            Kind::Words(words) => {
                let own = words
                    .iter()
                    .find(|word| word.name.eq_ignore_ascii_case(text));
                own.or_else(|| {
                    words
                        .iter()
                        .filter(|word| !word.redis.is_empty())
                        .find(|word| word.redis.eq_ignore_ascii_case(text))
                })
                .map(|word| Value::Word(word.name))
                .ok_or(Fault::NotAWord(words))
            }
        }
    }

    /// Reads a value from a TOML file.
    pub fn from_toml(&self, item: &Item) -> Result<Value, Fault> {
        let wrong_type = || Fault::WrongType(self.toml_type(), toml_type_of(item));
        match *self {
            Kind::Integer { .. } | Kind::PowerOfTwo { .. } => {
                self.checked_integer(item.as_integer().ok_or_else(wrong_type)?)
            }
            Kind::Bytes { min, max } => match (item.as_integer(), item.as_str()) {
                (Some(bytes), _) => self
                    .checked_bytes(u64::try_from(bytes).map_err(|_| Fault::OutOfRange(min, max))?),
                (None, Some(text)) => self.parse(text),
                (None, None) => Err(wrong_type()),
            },
            Kind::Signed => checked_signed(item.as_integer().ok_or_else(wrong_type)?),
            Kind::Threshold => checked_threshold(item.as_integer().ok_or_else(wrong_type)?),
            Kind::Portion(whole) => match (item.as_integer(), item.as_str()) {
                (Some(bytes), _) => checked_portion(&bytes.to_string(), whole),
                (None, Some(text)) => self.parse(text),
                (None, None) => Err(wrong_type()),
            },
            Kind::OutputLimits if item.is_array() => {
                let texts = texts(item).ok_or_else(wrong_type)?;
                self.parse(&texts.join(" "))
            }
            Kind::Bool => item.as_bool().map(Value::Bool).ok_or_else(wrong_type),
            Kind::Addresses if item.is_array() => {
                checked_addresses(texts(item).ok_or_else(wrong_type)?.into_iter())
            }
            Kind::Commands if item.is_array() => {
                checked_commands(texts(item).ok_or_else(wrong_type)?.into_iter())
            }
            Kind::Text
            | Kind::Secret
            | Kind::Addresses
            | Kind::Commands
            | Kind::OutputLimits
            | Kind::Percentiles
            | Kind::FileMode
            | Kind::Words(_) => self.parse(item.as_str().ok_or_else(wrong_type)?),
        }
    }

    /// The type in words, with its limits, for help and documents.
    pub fn describe(&self) -> String {
        match *self {
            Kind::Integer { min, max } if min == max => format!("integer, {min} only"),
            Kind::Integer { min, max } => format!("integer, {min} to {max}"),
            Kind::PowerOfTwo { min, max } => format!("power of two, {min} to {max}"),
            Kind::Bytes { min, max } if max > i64::MAX as u64 / 2 => {
                format!("bytes, at least {}", size::format(min))
            }
            Kind::Bytes { min, max } => {
                format!("bytes, {} to {}", size::format(min), size::format(max))
            }
            Kind::Signed => "integer of 32 bits".to_owned(),
            Kind::Threshold => "integer, -1 for never".to_owned(),
            Kind::Percentiles => "percentages, none or more".to_owned(),
            Kind::Portion(Whole::AvailableMemory) => {
                "bytes, a percentage of the memory that there is, or `auto`".to_owned()
            }
            Kind::Portion(Whole::MaxMemory) => {
                "bytes, or a percentage of memory.max_memory".to_owned()
            }
            Kind::OutputLimits => {
                "class, hard limit, soft limit and seconds, for each class".to_owned()
            }
            Kind::Bool => "boolean".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Secret => "text, hidden where settings are printed".to_owned(),
            Kind::Addresses => "one or more IP addresses".to_owned(),
            Kind::Commands => "names of commands".to_owned(),
            Kind::FileMode => "octal digits".to_owned(),
            Kind::Words(words) => {
                let names: Vec<&str> = words.iter().map(|word| word.name).collect();
                names.join(", ")
            }
        }
    }

    fn checked_integer(&self, number: i64) -> Result<Value, Fault> {
        let (Kind::Integer { min, max } | Kind::PowerOfTwo { min, max }) = *self else {
            unreachable!("only the integer kinds are checked here");
        };
        let in_range = u64::try_from(number)
            .ok()
            .filter(|number| (min..=max).contains(number));
        match (self, in_range) {
            (Kind::PowerOfTwo { .. }, Some(number)) if number.is_power_of_two() => {
                Ok(Value::Integer(number))
            }
            (Kind::PowerOfTwo { .. }, _) => Err(Fault::NotPowerOfTwo(min, max)),
            (_, Some(number)) => Ok(Value::Integer(number)),
            (_, None) => Err(Fault::OutOfRange(min, max)),
        }
    }

    fn checked_bytes(&self, bytes: u64) -> Result<Value, Fault> {
        match *self {
            Kind::Bytes { min, max } if !(min..=max).contains(&bytes) => {
                Err(Fault::OutOfRange(min, max))
            }
            _ => Ok(Value::Bytes(bytes)),
        }
    }

    fn toml_type(&self) -> &'static str {
        match self {
            Kind::Integer { .. } | Kind::PowerOfTwo { .. } => "an integer",
            Kind::Signed | Kind::Threshold => "an integer",
            Kind::Percentiles => "a string such as \"50 99\"",
            Kind::Bytes { .. } => "an integer or a string such as \"512mb\"",
            Kind::Portion(_) => "an integer or a string such as \"512mb\" or \"75%\"",
            Kind::OutputLimits => "a string such as \"normal 0 0 0\" or an array of such strings",
            Kind::Bool => "true or false",
            Kind::Addresses | Kind::Commands => "a string or an array of strings",
            Kind::FileMode => "a string of octal digits such as \"770\"",
            Kind::Text | Kind::Secret | Kind::Words(_) => "a string",
        }
    }
}

impl Value {
    /// The value as CONFIG GET answers it under a TOML path: words by their own names, booleans as
    /// in TOML, sizes in bytes, lists separated by spaces.
    pub fn plain(&self) -> String {
        match self {
            Value::Integer(number) | Value::Bytes(number) => number.to_string(),
            Value::Signed(number) => number.to_string(),
            Value::Threshold(from) => from.map_or_else(|| "-1".to_owned(), |from| from.to_string()),
            Value::Portion(portion) => portion.plain(),
            Value::OutputLimits(limits) => limits.plain(),
            Value::Bool(on) => on.to_string(),
            Value::Text(text) => text.clone(),
            Value::List(texts) => texts.join(" "),
            Value::Word(name) => (*name).to_owned(),
        }
    }

    /// The value as CONFIG GET answers it under Redis's name of the setting, where there is so much memory.
    pub fn redis(&self, kind: &Kind, available_memory_bytes: u64) -> String {
        match (self, kind) {
            (Value::Portion(portion), Kind::Portion(Whole::AvailableMemory)) => {
                portion.of(available_memory_bytes).to_string()
            }
            (Value::Bool(on), _) => if *on { "yes" } else { "no" }.to_owned(),
            (Value::Word(name), Kind::Words(words)) => words
                .iter()
                .find(|word| word.name == *name)
                .map_or(*name, Word::shown)
                .to_owned(),
            _ => self.plain(),
        }
    }

    /// The value as a TOML file holds it. A list of one is written as a string.
    pub fn toml(&self) -> Toml {
        match self {
            Value::Integer(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
            Value::Signed(number) => i64::from(*number).into(),
            Value::Bytes(bytes) | Value::Portion(Portion::Bytes(bytes)) => bytes_to_toml(*bytes),
            Value::Threshold(from) => from
                .map_or(-1, |from| i64::try_from(from).unwrap_or(i64::MAX))
                .into(),
            Value::Portion(portion) => portion.plain().into(),
            Value::OutputLimits(limits) => limits.readable().into(),
            Value::Bool(on) => (*on).into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(texts) if texts.len() == 1 => texts[0].as_str().into(),
            Value::List(texts) => Toml::Array(texts.iter().map(String::as_str).collect::<Array>()),
            Value::Word(name) => (*name).into(),
        }
    }
}

impl Value {
    /// This value, and what it leaves open as it was before.
    pub fn over(self, before: &Value) -> Value {
        match (self, before) {
            (Value::OutputLimits(given), Value::OutputLimits(before)) => {
                Value::OutputLimits(given.over(*before))
            }
            (value, _) => value,
        }
    }
}

impl Word {
    /// Redis's name for it, or its own where Redis has none.
    pub fn shown(&self) -> &'static str {
        if self.redis.is_empty() {
            self.name
        } else {
            self.redis
        }
    }
}

impl Fault {
    /// The text that Redis's CONFIG SET answers for this fault.
    pub fn redis(&self) -> String {
        let words = match self {
            Fault::NotAWord(words) => words,
            Fault::PercentTooLarge | Fault::OutputLimits(_) => return self.to_string(),
            Fault::NotAPortion(Whole::AvailableMemory) => {
                return "argument must be a memory value".to_owned();
            }
            _ => return format!("argument {self}"),
        };
        let mut names: Vec<&str> = words.iter().map(|word| word.redis).collect();
        names.retain(|name| !name.is_empty());
        // Redis has fewer words than we have for some settings; equal ones are neighbours.
        names.dedup();
        let names = names.join(", ");
        format!("argument(s) must be one of the following: {names}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::WrongType(expected, found) => write!(f, "must be {expected}, not {found}"),
            Fault::NotInteger => f.write_str("couldn't be parsed into an integer"),
            Fault::NotBytes => f.write_str("must be a memory value"),
            Fault::NotAPortion(Whole::AvailableMemory) => {
                f.write_str("must be a memory value, a percentage or 'auto'")
            }
            Fault::NotAPortion(Whole::MaxMemory) => {
                f.write_str("must be a memory or percent value")
            }
            Fault::PercentTooLarge => {
                f.write_str("percentage argument must be less or equal to 100")
            }
            Fault::OutputLimits(fault) => f.write_str(fault.text()),
            Fault::NotAThreshold => {
                write!(f, "must be between -1 and {} inclusive", i64::MAX)
            }
            Fault::NotPercentiles => f.write_str("must be percentages between 0.0 and 100.0"),
            Fault::NotBool => f.write_str("must be 'yes' or 'no'"),
            Fault::OutOfRange(min, max) => {
                write!(f, "must be between {min} and {max} inclusive")
            }
            Fault::OutOfSignedRange => {
                write!(f, "must be between {} and {} inclusive", i32::MIN, i32::MAX)
            }
            Fault::NotPowerOfTwo(min, max) => {
                write!(
                    f,
                    "must be a power of two between {min} and {max} inclusive"
                )
            }
            Fault::NotAWord(words) => {
                f.write_str("must be one of the following: ")?;
                for (index, word) in words.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{}", word.name)?;
                    if word.shown() != word.name {
                        write!(f, " ({})", word.redis)?;
                    }
                }
                Ok(())
            }
            Fault::NotAnAddress(text) => {
                write!(f, "must be IP addresses, which '{text}' is not")
            }
            Fault::NoAddress => f.write_str("must name at least one address"),
            Fault::NotACommand(text) => {
                write!(f, "must be names of commands, which '{text}' is not")
            }
            Fault::NotAFileMode => f.write_str("must be octal digits, 0 to 777"),
            Fault::NulCharacter => f.write_str("must not hold a NUL character"),
        }
    }
}

/// An address to listen on, as Redis's `bind` writes it: an IPv4 or IPv6 address (brackets allowed),
/// `localhost`, `*` for all IPv4 and `::*` for all IPv6 addresses; `-` before it means that it is no
/// error when the machine does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddress {
    /// The address itself.
    pub address: IpAddr,
    /// Whether the start goes on when the address is not available.
    pub optional: bool,
}

impl BindAddress {
    fn parse(text: &str) -> Option<BindAddress> {
        let (optional, host) = match text.strip_prefix('-') {
            Some(host) => (true, host),
            None => (false, text),
        };
        let unbracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let address = match unbracketed {
            "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            other => other.parse().ok()?,
        };
        Some(BindAddress { address, optional })
    }
}

/// A password. It does not show itself when printed for debugging.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The bytes of the password; empty when there is none.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether a password is set at all.
    pub fn is_set(&self) -> bool {
        !self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() {
            "Secret(***)"
        } else {
            "Secret(none)"
        })
    }
}

/// How a typed field of [`super::Settings`] takes its value. A value of another variant, or one that
/// does not fit, is a mistake in the table and panics; the tests over the table try both limits of
/// every row.
pub trait FromValue {
    /// Converts a checked value.
    fn from_value(value: &Value) -> Self;
}

macro_rules! integer_from_value {
    ($($type:ty),*) => { $(
        impl FromValue for $type {
            fn from_value(value: &Value) -> $type {
                match value {
                    Value::Integer(number) | Value::Bytes(number) => {
                        <$type>::try_from(*number).expect("the row's limits fit its field")
                    }
                    other => panic!("an integer field got {other:?}"),
                }
            }
        }
    )* };
}

integer_from_value!(u16, u32, u64, usize);

impl FromValue for i32 {
    fn from_value(value: &Value) -> i32 {
        match value {
            Value::Signed(number) => *number,
            other => panic!("a signed field got {other:?}"),
        }
    }
}

impl FromValue for Option<u64> {
    fn from_value(value: &Value) -> Option<u64> {
        match value {
            Value::Threshold(from) => *from,
            other => panic!("a threshold got {other:?}"),
        }
    }
}

impl FromValue for Vec<Percentile> {
    fn from_value(value: &Value) -> Vec<Percentile> {
        let text = String::from_value(value);
        percentiles(&text).expect("percentages are checked when read")
    }
}

impl FromValue for Portion {
    fn from_value(value: &Value) -> Portion {
        match value {
            Value::Portion(portion) => *portion,
            other => panic!("a portion got {other:?}"),
        }
    }
}

impl FromValue for OutputLimits {
    fn from_value(value: &Value) -> OutputLimits {
        match value {
            Value::OutputLimits(limits) => limits.whole().expect("the default names every class"),
            other => panic!("a field of output limits got {other:?}"),
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> bool {
        match value {
            Value::Bool(on) => *on,
            other => panic!("a boolean field got {other:?}"),
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            other => panic!("a text field got {other:?}"),
        }
    }
}

impl FromValue for Secret {
    fn from_value(value: &Value) -> Secret {
        Secret(String::from_value(value))
    }
}

impl FromValue for Option<PathBuf> {
    fn from_value(value: &Value) -> Option<PathBuf> {
        let path = String::from_value(value);
        (!path.is_empty()).then(|| PathBuf::from(path))
    }
}

impl FromValue for Vec<BindAddress> {
    fn from_value(value: &Value) -> Vec<BindAddress> {
        match value {
            Value::List(texts) => texts
                .iter()
                .map(|text| BindAddress::parse(text).expect("addresses are checked when read"))
                .collect(),
            other => panic!("an address field got {other:?}"),
        }
    }
}

/// Names of commands and subcommands.
pub type CommandNames = Vec<String>;

impl FromValue for CommandNames {
    fn from_value(value: &Value) -> CommandNames {
        match value {
            Value::List(names) => names.clone(),
            other => panic!("a field of commands got {other:?}"),
        }
    }
}

/// The permissions of a file, as in `chmod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl FromValue for FileMode {
    fn from_value(value: &Value) -> FileMode {
        let digits = String::from_value(value);
        FileMode(u32::from_str_radix(&digits, 8).expect("file modes are checked when read"))
    }
}

/// Declares an enum with the words that stand for its variants in a setting, `"name"` or
/// `"name" / "redis's name"`, which is empty if Redis has nothing like it.
macro_rules! words {
    ($(#[$doc:meta])* $enum:ident { $( $(#[$variant_doc:meta])* $variant:ident = $name:literal $(/ $redis:literal)? ),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum { $( $(#[$variant_doc])* $variant, )* }

        impl $enum {
            /// The words of the setting, in the order of the variants.
            pub const WORDS: &'static [$crate::config::value::Word] = &[
                $( $crate::config::value::Word {
                    name: $name,
                    redis: $crate::config::value::redis_word(&[$name $(, $redis)?]),
                }, )*
            ];
        }

        impl $enum {
            /// Its word in the TOML file.
            #[allow(dead_code, reason = "not every one is written")]
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                }
            }
        }

        impl $crate::config::value::FromValue for $enum {
            fn from_value(value: &$crate::config::value::Value) -> $enum {
                match value {
                    $( $crate::config::value::Value::Word($name) => $enum::$variant, )*
                    other => panic!("a field of words got {other:?}"),
                }
            }
        }
    };
}
pub(super) use words;

/// The last of a word's names: Redis's, where it has its own.
pub const fn redis_word(names: &[&'static str]) -> &'static str {
    names[names.len() - 1]
}

fn checked_portion(text: &str, whole: Whole) -> Result<Value, Fault> {
    match Portion::parse(text, whole).ok_or(Fault::NotAPortion(whole))? {
        Portion::Bytes(bytes) if bytes > i64::MAX as u64 => {
            Err(Fault::OutOfRange(0, i64::MAX as u64))
        }
        Portion::Percent(percent) if percent > 100 => Err(Fault::PercentTooLarge),
        portion => Ok(Value::Portion(portion)),
    }
}

fn checked_threshold(number: i64) -> Result<Value, Fault> {
    match number {
        -1 => Ok(Value::Threshold(None)),
        _ => u64::try_from(number)
            .map(|from| Value::Threshold(Some(from)))
            .map_err(|_| Fault::NotAThreshold),
    }
}

/// As they are shown, with one space between them.
fn checked_percentiles(text: &str) -> Result<Value, Fault> {
    let percentiles = percentiles(text).ok_or(Fault::NotPercentiles)?;
    let texts: Vec<String> = percentiles.iter().map(Percentile::to_string).collect();
    Ok(Value::Text(texts.join(" ")))
}

fn percentiles(text: &str) -> Option<Vec<Percentile>> {
    text.split_whitespace().map(Percentile::parse).collect()
}

/// The strings of an array, if it has nothing else.
fn texts(item: &Item) -> Option<Vec<&str>> {
    item.as_array()?.iter().map(Toml::as_str).collect()
}

fn bytes_to_toml(bytes: u64) -> Toml {
    match i64::try_from(bytes) {
        Ok(number) if size::format(bytes) == number.to_string() => number.into(),
        _ => size::format(bytes).into(),
    }
}

/// A whole number as Redis reads one: no sign but a minus, no leading zero, no space.
fn checked_signed(number: i64) -> Result<Value, Fault> {
    let number = i32::try_from(number).map_err(|_| Fault::OutOfSignedRange)?;
    Ok(Value::Signed(number))
}

fn parse_integer(text: &str) -> Result<i64, Fault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.starts_with('+') || (digits.starts_with('0') && text != "0") {
        return Err(Fault::NotInteger);
    }
    text.parse().map_err(|_| Fault::NotInteger)
}

fn checked_commands<'a>(names: impl Iterator<Item = &'a str>) -> Result<Value, Fault> {
    let names = names.filter(|name| !name.is_empty());
    let known = names.map(|name| match registry().named(name.as_bytes()) {
        Some(registered) => Ok(registered.full_name.clone()),
        None => Err(Fault::NotACommand(name.to_owned())),
    });
    known.collect::<Result<_, _>>().map(Value::List)
}

fn checked_addresses<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Value, Fault> {
    let addresses: Vec<String> = texts
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect();
    if addresses.is_empty() {
        return Err(Fault::NoAddress);
    }
    match addresses
        .iter()
        .find(|text| BindAddress::parse(text).is_none())
    {
        Some(text) => Err(Fault::NotAnAddress(text.clone())),
        None => Ok(Value::List(addresses)),
    }
}

fn checked_file_mode(text: &str) -> Result<Value, Fault> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if octal && mode <= 0o777 => Ok(Value::Text(format!("{mode:o}"))),
        _ => Err(Fault::NotAFileMode),
    }
}

fn toml_type_of(item: &Item) -> &'static str {
    match item {
        Item::None => "nothing",
        Item::Value(Toml::String(_)) => "a string",
        Item::Value(Toml::Integer(_)) => "an integer",
        Item::Value(Toml::Float(_)) => "a float",
        Item::Value(Toml::Boolean(_)) => "a boolean",
        Item::Value(Toml::Datetime(_)) => "a date",
        Item::Value(Toml::Array(_)) => "an array",
        Item::Value(Toml::InlineTable(_)) | Item::Table(_) => "a table",
        Item::ArrayOfTables(_) => "an array of tables",
    }
}
