//! The known name that an unknown one was probably meant to be.

/// The candidate with the fewest edits (insert, delete, replace, swap of neighbours) from `name`, if
/// it is near enough for a typing error: at most a third of the name or two edits, and some of it
/// kept.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let chars = name.chars().count();
    let edits_max = (chars / 3).max(2).min(chars.saturating_sub(1));
    candidates
        .into_iter()
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance, in three rows of the usual table.
fn edits(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.to_lowercase().chars().collect();
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, from_char) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to_char) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(from_char != to_char);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from_char == to[j - 1] && from[i - 1] == *to_char {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn edits_are_counted() {
        for (from, to, expected) in [
            ("", "", 0),
            ("port", "port", 0),
            ("prot", "port", 1),
            ("por", "port", 1),
            ("PORT", "port", 0),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edits(from, to), expected, "{from} {to}");
            assert_eq!(edits(to, from), expected, "{to} {from}");
        }
    }

    #[test]
    fn only_what_is_near_is_named() {
        let known = ["server.port", "server.bind", "logging.level"];
        assert_eq!(nearest("server.prot", known), Some("server.port"));
        assert_eq!(nearest("loging.levl", known), Some("logging.level"));
        assert_eq!(nearest("x", ["", "y", "xyz"]), None);
        assert_eq!(nearest("completely.different", known), None);
    }
}
