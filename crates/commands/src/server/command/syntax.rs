//! The arguments of a command, read from the syntax of its row: words in capitals stand for themselves, others for what
//! clients give, `[]` holds what may be left out, `<>` what belongs together, `|` parts alternatives, and
//! `a b [a b ...]` may be repeated.

use crate::command::{Command, Find};

/// An argument as COMMAND DOCS describes it.
#[derive(Debug, PartialEq)]
pub struct Argument {
    /// What it is called.
    pub name: String,
    /// What it can be.
    pub kind: Kind,
    /// The word before it, or the word that it is.
    pub token: Option<String>,
    /// It may be left out.
    pub optional: bool,
    /// It may be repeated.
    pub multiple: bool,
    /// And its word with it.
    pub multiple_token: bool,
    /// What it is made of.
    pub arguments: Vec<Argument>,
}

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    String,
    /// An integer.
    Integer,
    /// A number.
    Double,
    /// A key, of the key spec at this place.
    Key(usize),
    /// A pattern with `*` and the like.
    Pattern,
    /// A time.
    UnixTime,
    /// The word itself.
    PureToken,
    /// One of its arguments.
    OneOf,
    /// All of its arguments.
    Block,
}

impl Kind {
    /// The name that COMMAND DOCS uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Key(_) => "key",
            Self::Pattern => "pattern",
            Self::UnixTime => "unix-time",
            Self::PureToken => "pure-token",
            Self::OneOf => "oneof",
            Self::Block => "block",
        }
    }
}

/// The arguments of a command, the first of which is at the place `first` of a request.
pub fn arguments(command: &Command, first: usize) -> Vec<Argument> {
    let mut words = Words(command.syntax);
    let mut arguments = match words.alternatives().as_slice() {
        [sequence] => read_sequence(sequence),
        alternatives => vec![read_alternatives(alternatives)],
    };
    mark_keys(command, first, &mut arguments);
    arguments
}

/// A part of a syntax.
#[derive(Debug, PartialEq)]
enum Item<'s> {
    Word(&'s str),
    Optional(Vec<Vec<Item<'s>>>),
    Together(Vec<Vec<Item<'s>>>),
}

impl Item<'_> {
    /// The word that stands for itself.
    fn token(&self) -> Option<&str> {
        match self {
            Self::Word(word) if !word.contains(|letter: char| letter.is_ascii_lowercase()) => {
                Some(word)
            }
            Self::Word(_) | Self::Optional(_) | Self::Together(_) => None,
        }
    }
}

/// The rest of a syntax.
struct Words<'s>(&'s str);

impl<'s> Words<'s> {
    fn next(&mut self) -> Option<&'s str> {
        const MARKS: &[char] = &['[', ']', '<', '>', '|'];
        let text = self.0.trim_start();
        let end = match text.find(|letter: char| letter == ' ' || MARKS.contains(&letter)) {
            Some(0) => 1,
            Some(end) => end,
            None => text.len(),
        };
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Alternative sequences, up to the bracket that closes them.
    fn alternatives(&mut self) -> Vec<Vec<Item<'s>>> {
        let mut alternatives = vec![Vec::new()];
        while let Some(word) = self.next() {
            let item = match word {
                "]" | ">" => break,
                "|" => {
                    alternatives.push(Vec::new());
                    continue;
                }
                "[" => Item::Optional(self.alternatives()),
                "<" => Item::Together(self.alternatives()),
                word => Item::Word(word),
            };
            alternatives.last_mut().expect("there is one").push(item);
        }
        alternatives
    }
}

fn read_sequence(items: &[Item<'_>]) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut at = 0;
    while at < items.len() {
        let rest = &items[at..];
        let (argument, used) = match (&rest[0], rest.get(1)) {
            _ if repeated(rest).is_some() => {
                let count = repeated(rest).unwrap_or(1);
                let mut argument = read_whole(&rest[..count]);
                argument.multiple = true;
                argument.multiple_token = rest[0].token().is_some();
                (argument, count + 1)
            }
            (Item::Optional(alternatives), _) => {
                let mut argument = read_alternatives(alternatives);
                argument.optional = true;
                (argument, 1)
            }
            (Item::Together(alternatives), _) => (read_alternatives(alternatives), 1),
            (Item::Word(_), Some(next)) if rest[0].token().is_some() && takes_token(next) => {
                (read_whole(&rest[..2]), 2)
            }
            (Item::Word(word), _) => (read_word(word), 1),
        };
        arguments.push(argument);
        at += used;
    }
    arguments
}

/// How many items at the beginning are repeated by the one after them.
fn repeated(items: &[Item<'_>]) -> Option<usize> {
    (1..items.len()).find(|&count| match &items[count] {
        Item::Optional(alternatives) => match alternatives.as_slice() {
            [sequence] => {
                sequence.last() == Some(&Item::Word("..."))
                    && sequence[..sequence.len() - 1] == items[..count]
            }
            _ => false,
        },
        Item::Word(_) | Item::Together(_) => false,
    })
}

/// Whether a word in capitals before an item belongs to it.
fn takes_token(item: &Item<'_>) -> bool {
    match item {
        Item::Word(_) => item.token().is_none(),
        Item::Together(_) => true,
        Item::Optional(_) => false,
    }
}

fn read_alternatives(alternatives: &[Vec<Item<'_>>]) -> Argument {
    match alternatives {
        [sequence] => read_whole(sequence),
        _ => group(
            Kind::OneOf,
            alternatives
                .iter()
                .map(|sequence| read_whole(sequence))
                .collect(),
        ),
    }
}

/// A sequence as one argument.
fn read_whole(items: &[Item<'_>]) -> Argument {
    if let [first, rest @ ..] = items
        && let Some(token) = first.token()
        && !rest.is_empty()
        && repeated(items).is_none()
    {
        let mut argument = read_whole(rest);
        if argument.token.is_some() || argument.optional {
            argument = group(Kind::Block, vec![argument]);
        }
        argument.token = Some(token.to_owned());
        return argument;
    }
    let mut arguments = read_sequence(items);
    match arguments.pop() {
        Some(only) if arguments.is_empty() => only,
        last => {
            arguments.extend(last);
            group(Kind::Block, arguments)
        }
    }
}

fn group(kind: Kind, arguments: Vec<Argument>) -> Argument {
    let names: Vec<String> = arguments
        .iter()
        .map(|argument| match &argument.token {
            Some(token) if kind == Kind::OneOf => token.to_lowercase(),
            _ => argument.name.clone(),
        })
        .collect();
    Argument {
        arguments,
        ..leaf(names.join("_"), kind)
    }
}

fn leaf(name: String, kind: Kind) -> Argument {
    Argument {
        name,
        kind,
        token: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        arguments: Vec::new(),
    }
}

fn read_word(word: &str) -> Argument {
    if Item::Word(word).token().is_some() {
        return Argument {
            token: Some(word.to_owned()),
            ..leaf(word.to_lowercase(), Kind::PureToken)
        };
    }
    let kind = match word {
        "pattern" => Kind::Pattern,
        "height" | "latitude" | "longitude" | "number" | "radius" | "width" => Kind::Double,
        "client-id" | "count" | "cursor" | "db" | "decrement" | "destination-db" | "end"
        | "increment" | "index" | "index1" | "index2" | "len" | "milliseconds"
        | "min-match-len" | "num-vertices" | "numkeys" | "offset" | "protover" | "seconds"
        | "start" | "timeout" | "version" => Kind::Integer,
        _ if word.starts_with("unix-time") => Kind::UnixTime,
        _ => Kind::String,
    };
    leaf(word.to_owned(), kind)
}

/// Marks the arguments that are keys, by the options that they belong to, or by their places among those that are always
/// there.
fn mark_keys(command: &Command, first: usize, arguments: &mut [Argument]) {
    for (spec, key_spec) in command.keys.iter().enumerate() {
        if let Find::Keyword { word, .. } = key_spec.find {
            mark_option(word, spec, arguments);
        }
    }
    let fixed = arguments
        .iter()
        .take_while(|argument| !argument.optional)
        .count();
    // All further arguments may be keys.
    let rest = arguments.get(fixed);
    let has_rest = rest.is_some_and(|rest| rest.multiple && rest.token.is_none());
    let fixed = fixed + usize::from(has_rest);
    for (at, argument) in arguments[..fixed].iter_mut().enumerate() {
        let place = first + at;
        let spec = command.keys.iter().position(|spec| {
            let (begin, last) = match spec.find {
                Find::Range { last, .. } => (spec.begin, last.max(0) as usize),
                Find::Counted { .. } => (spec.begin + 1, 0),
                Find::Derived | Find::Stored | Find::Keyword { .. } => return false,
            };
            (begin..=begin + last).contains(&place)
        });
        if let Some(spec) = spec {
            first_leaf(argument).kind = Kind::Key(spec);
        }
    }
}

fn mark_option(word: &str, spec: usize, arguments: &mut [Argument]) {
    for argument in arguments {
        if argument.token.as_deref() == Some(word) {
            argument.kind = Kind::Key(spec);
        }
        mark_option(word, spec, &mut argument.arguments);
    }
}

fn first_leaf(argument: &mut Argument) -> &mut Argument {
    if argument.arguments.is_empty() {
        argument
    } else {
        first_leaf(&mut argument.arguments[0])
    }
}

#[cfg(test)]
mod tests {
    use super::{Argument, Kind, arguments};
    use crate::command::{Command, Find};
    use crate::registry::registry;

    /// `name:type`, with `TOKEN=` before it, `?`, `*` and `**` after it, and what it is made of in brackets.
    fn show(arguments: &[Argument]) -> String {
        let shown = arguments.iter().map(|argument| {
            let token = argument
                .token
                .as_ref()
                .map(|token| format!("{token}="))
                .unwrap_or_default();
            let optional = if argument.optional { "?" } else { "" };
            let multiple = match (argument.multiple, argument.multiple_token) {
                (true, true) => "**",
                (true, false) => "*",
                (false, _) => "",
            };
            let parts = if argument.arguments.is_empty() {
                String::new()
            } else {
                format!("({})", show(&argument.arguments))
            };
            let (name, kind) = (&argument.name, argument.kind.name());
            format!("{token}{name}:{kind}{optional}{multiple}{parts}")
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    fn show_syntax(syntax: &'static str) -> String {
        let command = Command {
            syntax,
            ..Command::BASE
        };
        show(&arguments(&command, 1))
    }

    #[test]
    fn every_form_is_read() {
        for (syntax, expected) in [
            ("", ""),
            ("name value", "name:string value:string"),
            (
                "[NX | XX] [GET]",
                "nx_xx:oneof?(NX=nx:pure-token XX=xx:pure-token) GET=get:pure-token?",
            ),
            (
                "[EX seconds | KEEPTTL]",
                "ex_keepttl:oneof?(EX=seconds:integer KEEPTTL=keepttl:pure-token)",
            ),
            ("section [section ...]", "section:string*"),
            ("[section [section ...]]", "section:string?*"),
            ("a b [a b ...]", "a_b:block*(a:string b:string)"),
            (
                "numkeys a b [a b ...]",
                "numkeys:integer a_b:block*(a:string b:string)",
            ),
            ("[GET pattern [GET pattern ...]]", "GET=pattern:pattern?**"),
            ("[ID client-id [client-id ...]]", "ID=client-id:integer?*"),
            (
                "[TYPE <A | B>]",
                "TYPE=a_b:oneof?(A=a:pure-token B=b:pure-token)",
            ),
            (
                "[protover [AUTH username password]]",
                "protover_username_password:block?(protover:integer \
                 AUTH=username_password:block?(username:string password:string))",
            ),
            (
                "ON | OFF",
                "on_off:oneof(ON=on:pure-token OFF=off:pure-token)",
            ),
            (
                "[FILTERBY <MODULE name | PATTERN pattern>]",
                "FILTERBY=module_pattern:oneof?(MODULE=name:string PATTERN=pattern:pattern)",
            ),
        ] {
            assert_eq!(show_syntax(syntax), expected, "{syntax}");
        }
    }

    #[test]
    fn keys_are_marked() {
        for (name, expected) in [
            ("get", "key:key"),
            ("mset", "key_value:block*(key:key value:string)"),
            ("watch", "key:key*"),
            (
                "lcs",
                "key1:key key2:key LEN=len:pure-token? IDX=idx:pure-token? \
                MINMATCHLEN=min-match-len:integer? WITHMATCHLEN=withmatchlen:pure-token?",
            ),
        ] {
            let registered = registry().find(name.as_bytes()).expect("it is registered");
            assert_eq!(show(&arguments(registered.command, 1)), expected);
        }
        let memory = registry().find(b"memory").expect("it is registered");
        let usage = registry()
            .find_subcommand(memory, b"usage")
            .expect("it is registered");
        assert_eq!(
            show(&arguments(usage.command, 2)),
            "key:key SAMPLES=count:integer?"
        );
    }

    /// Every key spec is the type of an argument, and every syntax ends where it should.
    #[test]
    fn every_row_can_be_read() {
        fn has_key(arguments: &[Argument], spec: usize) -> bool {
            arguments.iter().any(|argument| {
                argument.kind == Kind::Key(spec) || has_key(&argument.arguments, spec)
            })
        }
        for registered in registry().all() {
            let (name, command) = (&registered.full_name, registered.command);
            let open = command.syntax.matches(['[', '<']).count();
            assert_eq!(open, command.syntax.matches([']', '>']).count(), "{name}");
            let arguments = arguments(command, 1 + name.matches('|').count());
            for (spec, key_spec) in command.keys.iter().enumerate() {
                if key_spec.find == Find::Derived || key_spec.find == Find::Stored {
                    continue;
                }
                assert!(has_key(&arguments, spec), "{name}: {}", show(&arguments));
            }
        }
    }
}
