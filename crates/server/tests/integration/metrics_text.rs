//! A strict reader of Prometheus's text format, version 0.0.4: what Prometheus would only warn of is refused here.

use std::collections::BTreeMap;

/// One metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Samples by name and labels, as they are written.
    pub samples: BTreeMap<String, f64>,
}

type Labels = Vec<(String, String)>;

/// The samples of one histogram: limits with their counts, the sum, the count.
type Histogram = (Vec<(f64, f64)>, Option<f64>, Option<f64>);

/// All metrics of a text.
pub fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut helped = None;
    for line in text.lines() {
        let fail = |reason: &str| Err(format!("{reason}: {line:?}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("HELP without text")?;
            if families.contains_key(name) || helped.is_some() || !is_name(name) || help.is_empty()
            {
                return fail("a second, late or bad HELP");
            }
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("TYPE without kind")?;
            if helped.take().as_deref() != Some(name) {
                return fail("TYPE does not follow its HELP");
            }
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return fail("an unknown type");
            }
            current = name.to_owned();
            let kind = kind.to_owned();
            let samples = BTreeMap::new();
            families.insert(current.clone(), Family { kind, samples });
        } else {
            let family = families.get_mut(&current).ok_or("a sample without TYPE")?;
            if helped.is_some() {
                return fail("a sample before its TYPE");
            }
            let (name, labels, value) = sample(line)?;
            let suffixes: &[&str] = match family.kind.as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let is_own = |suffix: &&str| name.strip_suffix(*suffix) == Some(&*current);
            if !suffixes.iter().any(is_own) {
                return fail("a sample of another metric");
            }
            if family.kind == "counter" && (value < 0.0 || !value.is_finite()) {
                return fail("a counter below zero");
            }
            if family.samples.insert(key(&name, &labels), value).is_some() {
                return fail("a sample that is there already");
            }
            if family.kind == "histogram" {
                continue;
            }
        }
    }
    let histograms = families.iter().filter(|(_, it)| it.kind == "histogram");
    for (name, _) in histograms {
        check_histogram(name, text)?;
    }
    Ok(families)
}

fn key(name: &str, labels: &Labels) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{name}{{{}}}", labels.join(","))
}

fn is_name(text: &str) -> bool {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    let mut bytes = text.bytes();
    bytes.next().is_some_and(is_start) && bytes.all(|byte| is_start(byte) || byte.is_ascii_digit())
}

/// Name, labels and value of a line.
fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let fail = |reason: &str| format!("{reason}: {line:?}");
    let end = line.find(['{', ' ']).ok_or_else(|| fail("no value"))?;
    let name = line[..end].to_owned();
    if !is_name(&name) {
        return Err(fail("a bad name"));
    }
    let mut rest = &line[end..];
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or_else(|| fail("a bad label"))?;
            if !is_name(label) || label.contains(':') {
                return Err(fail("a bad label's name"));
            }
            let (value, after) = quoted(after).ok_or_else(|| fail("a bad label's value"))?;
            if labels.iter().any(|(other, _)| other == label) {
                return Err(fail("a label that is there already"));
            }
            labels.push((label.to_owned(), value));
            if let Some(after) = after.strip_prefix("} ") {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').ok_or_else(|| fail("no comma"))?;
        }
    } else {
        rest = &rest[1..];
    }
    let value = rest.parse().map_err(|_| fail("a bad value"))?;
    Ok((name, labels, value))
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                '\\' => '\\',
                '"' => '"',
                'n' => '\n',
                _ => return None,
            }),
            _ => value.push(character),
        }
    }
    None
}

/// A histogram's buckets are in ascending order, count everything below them, and end with all.
fn check_histogram(name: &str, text: &str) -> Result<(), String> {
    let mut series: BTreeMap<String, Histogram> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(name)) {
        let (sample_name, mut labels, value) = sample(line)?;
        let Some(suffix) = sample_name.strip_prefix(name) else {
            continue;
        };
        let limit = labels.pop_if(|(label, _)| label == "le");
        let (buckets, sum, count) = series.entry(key("", &labels)).or_default();
        match (suffix, limit) {
            ("_bucket", Some((_, limit))) => {
                let limit = limit.parse().map_err(|_| format!("{line}: a bad limit"))?;
                buckets.push((limit, value));
            }
            ("_sum", None) => *sum = Some(value),
            ("_count", None) => *count = Some(value),
            _ => return Err(format!("{line}: no sample of a histogram")),
        }
    }
    for (labels, (buckets, sum, count)) in series {
        let last = buckets.last().copied();
        let is_whole =
            sum.is_some() && count.is_some() && last == count.map(|it| (f64::INFINITY, it));
        let rises = buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        if !is_whole || !rises {
            return Err(format!("{name}{labels} is no histogram: {buckets:?}"));
        }
    }
    Ok(())
}

#[test]
fn the_reader_is_strict() {
    let good = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\\\"\\\\\\n\",d=\"\"} 1\na_total{b=\"\",d=\"\"} 2e3\n\
                # HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    let families = parse(good).expect("it is right");
    assert_eq!(families["a_total"].samples.len(), 2);
    for (from, to) in [
        ("h_count 2\n", "h_count 2"),
        ("# TYPE a_total counter\n", ""),
        ("# HELP a_total x\n", ""),
        ("b=\"\"", "b=\"c\\\"\\\\\\n\""),
        ("2e3", "-1"),
        ("2e3", "many"),
        ("\\n", "\\t"),
        ("\",d", "\" d"),
        ("h_bucket{le=\"+Inf\"} 2\n", ""),
        ("h_bucket{le=\"1\"} 1", "h_bucket{le=\"1\"} 3"),
        ("h_sum 3\n", ""),
        ("h_count 2", "h_count 3"),
        ("h_sum", "g_sum"),
        ("counter", "counters"),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        assert!(parse(&bad).is_err(), "{bad}");
    }
}
