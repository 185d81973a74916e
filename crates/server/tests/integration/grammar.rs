//! The grammar that random commands are made from: `grammar.txt`, one command form a line.
//!
//! - `12 SET <key> <value>`: the weight, then words and placeholders.
//! - `[a b|c]`: one of the alternatives or nothing; `(a|b c)`: one of the alternatives.
//! - `{x y z}`: the parts in any order.
//! - `x+`: one to four times x; `x++`: up to some hundred times, mostly fewer.
//!
//! A line that begins with `#` is a comment.

use crate::random::Random;

/// How often `x++` stands for x at most.
const MANY_MAX: usize = 300;

/// A part of a command form.
#[derive(Clone, Debug)]
enum Part {
    /// A word as it is.
    Word(String),
    /// A value that the generator makes up.
    Placeholder(String),
    /// One of the sequences.
    Choice(Vec<Vec<Part>>),
    /// One of the sequences, or nothing.
    Optional(Vec<Vec<Part>>),
    /// All parts, in any order.
    Shuffled(Vec<Part>),
    /// One to four times.
    Repeated(Box<Part>),
    /// Up to [`MANY_MAX`] times.
    Many(Box<Part>),
}

/// All command forms, with their weights.
pub struct Grammar {
    forms: Vec<(usize, Vec<Part>)>,
    weight_sum: usize,
}

impl Grammar {
    /// Parses the text of `grammar.txt`.
    ///
    /// # Panics
    /// When the text is not of that form: it is part of the tests.
    pub fn parse(text: &str) -> Grammar {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let forms: Vec<(usize, Vec<Part>)> = lines
            .map(|line| {
                let (weight, form) = line.split_once(' ').expect("weight and form");
                let tokens = tokens_of(form);
                let mut rest = tokens.as_slice();
                let parts = parse_parts(&mut rest);
                assert!(rest.is_empty(), "closing bracket too much: {line}");
                (weight.parse().expect("a weight"), parts)
            })
            .collect();
        let weight_sum = forms.iter().map(|(weight, _)| weight).sum();
        Grammar { forms, weight_sum }
    }

    /// A random command; `make` gives the value of a placeholder.
    pub fn command(
        &self,
        random: &mut Random,
        make: &mut dyn FnMut(&mut Random, &str) -> Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let mut at = random.below(self.weight_sum);
        let form = self.forms.iter().find(|(weight, _)| {
            let found = at < *weight;
            at = at.wrapping_sub(*weight);
            found
        });
        let (_, parts) = form.expect("the weights add up");
        let mut words = Vec::new();
        expand_all(parts, random, make, &mut words);
        words
    }

    /// The first words of all forms, for tests over the table itself.
    pub fn names(&self) -> Vec<&str> {
        let first = self.forms.iter().map(|(_, parts)| match parts.first() {
            Some(Part::Word(word)) => word.as_str(),
            _ => "",
        });
        first.collect()
    }
}

fn expand_all(
    parts: &[Part],
    random: &mut Random,
    make: &mut dyn FnMut(&mut Random, &str) -> Vec<u8>,
    words: &mut Vec<Vec<u8>>,
) {
    for part in parts {
        expand(part, random, make, words);
    }
}

fn expand_one(
    sequences: &[Vec<Part>],
    random: &mut Random,
    make: &mut dyn FnMut(&mut Random, &str) -> Vec<u8>,
    words: &mut Vec<Vec<u8>>,
) {
    let chosen = random.below(sequences.len());
    expand_all(&sequences[chosen], random, make, words);
}

fn expand(
    part: &Part,
    random: &mut Random,
    make: &mut dyn FnMut(&mut Random, &str) -> Vec<u8>,
    words: &mut Vec<Vec<u8>>,
) {
    match part {
        Part::Word(word) => words.push(word.clone().into_bytes()),
        Part::Placeholder(name) => words.push(make(random, name)),
        Part::Choice(sequences) => expand_one(sequences, random, make, words),
        Part::Optional(sequences) => {
            if random.once_in(2) {
                expand_one(sequences, random, make, words);
            }
        }
        Part::Shuffled(parts) => {
            let mut order: Vec<&Part> = parts.iter().collect();
            random.shuffle(&mut order);
            for part in order {
                expand(part, random, make, words);
            }
        }
        Part::Repeated(part) => {
            for _ in 0..=random.below(4) {
                expand(part, random, make, words);
            }
        }
        Part::Many(part) => {
            let max = *random.pick(&[10, 40, MANY_MAX]);
            for _ in 0..=random.below(max) {
                expand(part, random, make, words);
            }
        }
    }
}

/// Words, placeholders and single punctuation characters.
fn tokens_of(form: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for character in form.chars() {
        match character {
            ' ' => in_word = false,
            '[' | ']' | '(' | ')' | '{' | '}' | '|' => {
                tokens.push(character.to_string());
                in_word = false;
            }
            '+' => {
                tokens.push("+".to_owned());
                in_word = false;
            }
            other => match tokens.last_mut().filter(|_| in_word) {
                Some(word) => word.push(other),
                None => {
                    tokens.push(other.to_string());
                    in_word = true;
                }
            },
        }
    }
    tokens
}

/// Parts up to a closing bracket or bar, which is left.
fn parse_parts(rest: &mut &[String]) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some((token, after)) = rest.split_first() {
        let part = match token.as_str() {
            "]" | ")" | "}" | "|" => return parts,
            "+" => {
                let last = parts.pop().expect("something to repeat");
                *rest = after;
                parts.push(match last {
                    Part::Repeated(part) => Part::Many(part),
                    part => Part::Repeated(Box::new(part)),
                });
                continue;
            }
            "[" | "(" => {
                *rest = after;
                let sequences = parse_sequences(rest);
                match token.as_str() {
                    "[" => Part::Optional(sequences),
                    _ => Part::Choice(sequences),
                }
            }
            "{" => {
                *rest = after;
                Part::Shuffled(parse_sequences(rest).remove(0))
            }
            word => {
                *rest = after;
                match word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) {
                    Some(name) => Part::Placeholder(name.to_owned()),
                    None => Part::Word(word.to_owned()),
                }
            }
        };
        parts.push(part);
    }
    parts
}

/// Sequences separated by bars, and the closing bracket.
fn parse_sequences(rest: &mut &[String]) -> Vec<Vec<Part>> {
    let mut sequences = Vec::new();
    loop {
        sequences.push(parse_parts(rest));
        let (token, after) = rest.split_first().expect("a closing bracket");
        *rest = after;
        if token != "|" {
            return sequences;
        }
    }
}

#[test]
fn forms_are_expanded() {
    let grammar = Grammar::parse("1 A (b|c d) <e>+ {[x] y}");
    let mut random = Random::new(1);
    for _ in 0..100 {
        let words = grammar.command(&mut random, &mut |_, name| name.as_bytes().to_vec());
        let text = words.iter().map(|word| String::from_utf8_lossy(word));
        let text = text.collect::<Vec<_>>().join(" ");
        let first = text.strip_prefix("A b e").or(text.strip_prefix("A c d e"));
        let tail = first.expect(&text).trim_start_matches(" e");
        assert!([" y", " x y", " y x"].contains(&tail), "{text}");
    }
}
