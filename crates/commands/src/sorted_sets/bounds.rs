//! The ends of ranges as clients write them.

use keyspace::{NameBound, ScoreBound};
use resp::parse_double_leniently;

use crate::error::CommandError;

/// The ends of a range of scores: `(1.5`, `inf`.
pub fn score_bounds(min: &[u8], max: &[u8]) -> Result<(ScoreBound, ScoreBound), CommandError> {
    score_bound(min)
        .zip(score_bound(max))
        .ok_or(CommandError::line("ERR min or max is not a float"))
}

fn score_bound(text: &[u8]) -> Option<ScoreBound> {
    match text {
        [b'(', score @ ..] => parse_double_leniently(score).map(ScoreBound::Excluded),
        score => parse_double_leniently(score).map(ScoreBound::Included),
    }
}

/// The ends of a range of names: `[a`, `(b`, `-`, `+`.
pub fn name_bounds<'a>(
    min: &'a [u8],
    max: &'a [u8],
) -> Result<(NameBound<'a>, NameBound<'a>), CommandError> {
    name_bound(min)
        .zip(name_bound(max))
        .ok_or(CommandError::line(
            "ERR min or max not valid string range item",
        ))
}

fn name_bound(text: &[u8]) -> Option<NameBound<'_>> {
    match text {
        [b'-'] | [b'-', 0, ..] => Some(NameBound::Lowest),
        [b'+'] | [b'+', 0, ..] => Some(NameBound::Highest),
        [b'[', name @ ..] => Some(NameBound::Included(name)),
        [b'(', name @ ..] => Some(NameBound::Excluded(name)),
        _ => None,
    }
}
