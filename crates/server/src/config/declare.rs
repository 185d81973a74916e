//! The macro that turns the table of settings into what the program uses: the rows, for everything
//! that goes by name, and structs with plain fields, for everything that goes by field.

use super::value::{Kind, Value};

/// One setting, as `table.rs` declares it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The table of the TOML file that holds it.
    pub section: &'static str,
    /// Its key in that table.
    pub name: &'static str,
    /// `section.name`: its name in CONFIG GET and, after `--`, its flag.
    pub path: &'static str,
    /// What it does, for people.
    pub text: &'static str,
    /// Its type and limits.
    pub kind: Kind,
    /// Its default, in the form that a flag would have.
    pub default: &'static str,
    /// Redis's name for it, in CONFIG GET and SET and, after `--`, as a flag; empty if Redis has none.
    pub redis: &'static str,
    /// Another name that Redis or Valkey has for it; empty if there is none.
    pub also: &'static str,
    /// The environment variable that sets it; empty if there is none.
    pub env: &'static str,
    /// The letter of its short flag.
    pub short: Option<char>,
    /// Whether CONFIG SET can change it while the server runs.
    pub runtime: bool,
}

impl Row {
    /// What a row is where the table does not say otherwise.
    pub(super) const BLANK: Row = Row {
        section: "",
        name: "",
        path: "",
        text: "",
        kind: Kind::Text,
        default: "",
        redis: "",
        also: "",
        env: "",
        short: None,
        runtime: false,
    };

    /// The default as a value.
    pub fn default_value(&self) -> Value {
        self.kind
            .parse(self.default)
            .expect("a test parses every default of the table")
    }

    /// Whether `name` is a name of this setting in CONFIG GET and SET, in any case.
    pub fn is_named(&self, name: &str) -> bool {
        self.path.eq_ignore_ascii_case(name)
            || [self.redis, self.also]
                .iter()
                .any(|other| !other.is_empty() && other.eq_ignore_ascii_case(name))
    }

    /// The value as people see it: secrets hidden.
    pub fn shown(&self, value: &Value) -> toml_edit::Value {
        match (self.kind, value) {
            (Kind::Secret, Value::Text(text)) if !text.is_empty() => "***".into(),
            _ => value.toml(),
        }
    }
}

/// Declares the sections and settings. For each section a struct, for all of them `Settings`, and
/// the list `ROWS`, whose order is that of the fields. The doc comment of a field is its row's text.
macro_rules! declare_settings {
    ($(
        $(#[doc = $section_text:literal])+
        $section:ident: $struct:ident {
            $(
                $(#[doc = $text:literal])+
                $field:ident: $type:ty = { $( $key:ident: $value:expr ),* $(,)? }
            )*
        }
    )*) => {
        $(
            $(#[doc = $section_text])+
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $struct {
                $( $(#[doc = $text])+ pub $field: $type, )*
            }
        )*

        /// Every setting, typed, for the code that acts on it.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings {
            $( $(#[doc = $section_text])+ pub $section: $struct, )*
            /// The memory that this process may use, in bytes: what percentages of it are of. It is no setting.
            pub available_memory_bytes: u64,
        }

        impl Settings {
            /// The settings of one value for each row, in the order of the rows, where there is so much memory.
            pub(super) fn from_values(values: &[Value], available_memory_bytes: u64) -> Settings {
                let mut values = values.iter();
                Settings {
                    $( $section: $struct { $( $field: next_field(&mut values), )* }, )*
                    available_memory_bytes,
                }
            }
        }

        /// Every setting, in the order of the documents.
        #[allow(clippy::needless_update, reason = "a row may give every field")]
        pub static ROWS: &[Row] = &[$($(
            Row {
                section: stringify!($section),
                name: stringify!($field),
                path: concat!(stringify!($section), ".", stringify!($field)),
                text: concat!($($text),+),
                $( $key: $value, )*
                ..Row::BLANK
            },
        )*)*];

        /// The sections and what they are about.
        pub static SECTIONS: &[(&str, &str)] = &[
            $( (stringify!($section), concat!($($section_text),+)), )*
        ];
    };
}
pub(super) use declare_settings;
