//! Commands that draw by chance: SPOP, SRANDMEMBER, HRANDFIELD, ZRANDMEMBER. Two servers never draw the same, so each reply is
//! judged by what the key had before: so many members as were asked for, of those that there are, none twice unless that was
//! asked for, with the values that they have; and what SPOP gives is gone, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::{Client, Reply};
use crate::comparison::name_of;
use crate::generator::Words;

/// How many members go back at a time.
const REFILLED_AT_ONCE: usize = 500;

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// Runs the command on both. What SPOP has drawn goes back afterwards, so that both have the same again.
///
/// # Errors
/// What was wrong with one of them, or that they did not answer alike: the two replies in words.
pub fn compare(redis: &mut Client, ours: &mut Client, command: &Words) -> Result<(), [String; 2]> {
    let key = &command[1];
    let before = contents(redis, key);
    let our_before = contents(ours, key);
    if before != our_before {
        return Err([format!("before: {before:?}"), format!("{our_before:?}")]);
    }
    let replies = [redis.command(command), ours.command(command)];
    let shown = || replies.each_ref().map(Reply::to_string);
    let Some(before) = before.filter(|_| !replies[0].is_error()) else {
        return (replies[0] == replies[1]).then_some(()).ok_or_else(shown);
    };
    let mut verdicts = [String::new(), String::new()];
    for (index, client) in [&mut *redis, &mut *ours].into_iter().enumerate() {
        let judged = judge(client, command, &before, &replies[index]);
        verdicts[index] = judged.err().unwrap_or_default().to_owned();
    }
    if name_of(command) == "spop" {
        for client in [redis, ours] {
            refill(client, key, &before);
        }
    }
    match verdicts.iter().all(String::is_empty) {
        true => Ok(()),
        false => {
            let [redis, ours] = shown();
            Err([
                format!("{} {redis}", verdicts[0]),
                format!("{} {ours}", verdicts[1]),
            ])
        }
    }
}

fn judge(
    client: &mut Client,
    command: &Words,
    before: &Contents,
    reply: &Reply,
) -> Result<(), &'static str> {
    let count = command.get(2).map(|word| {
        let number = String::from_utf8_lossy(word).parse::<i64>();
        number.expect("what is no number is refused")
    });
    let has_values = command.len() > 3;
    let drawn: Vec<(Vec<u8>, Vec<u8>)> = match reply {
        Reply::Bulk(member) if count.is_none() => vec![(member.clone(), Vec::new())],
        Reply::Array(elements) | Reply::Set(elements) if count.is_some() => match has_values {
            true => pairs_of(elements),
            false => elements
                .iter()
                .map(|element| (bytes_of(element), Vec::new()))
                .collect(),
        },
        _ => return Err("wrong form:"),
    };
    let names: BTreeSet<&Vec<u8>> = drawn.iter().map(|(name, _)| name).collect();
    let expected = match count.unwrap_or(1) {
        count @ ..0 => count.unsigned_abs() as usize,
        count => {
            if names.len() != drawn.len() {
                return Err("drawn twice:");
            }
            before.len().min(count as usize)
        }
    };
    if drawn.len() != expected {
        return Err("wrong number:");
    }
    for (name, value) in &drawn {
        match before.get(name) {
            None => return Err("was not there:"),
            Some(had) if has_values && had != value => return Err("wrong value:"),
            Some(_) => {}
        }
    }
    if name_of(command) == "spop" {
        let left = contents(client, &command[1]).unwrap_or_default();
        let gone = before.keys().filter(|name| !left.contains_key(*name));
        if !gone.eq(names) || left.len() + drawn.len() != before.len() {
            return Err("something else was left:");
        }
    }
    Ok(())
}

/// Makes a set again, in an order that does not depend on what was drawn.
fn refill(client: &mut Client, key: &[u8], members: &Contents) {
    client.command(&[b"DEL".as_slice(), key]);
    let members: Vec<&[u8]> = members.keys().map(Vec::as_slice).collect();
    for some in members.chunks(REFILLED_AT_ONCE) {
        let mut words = vec![b"SADD".as_slice(), key];
        words.extend_from_slice(some);
        client.command(&words);
    }
}

/// The members of a key with their values, if it has any.
fn contents(client: &mut Client, key: &[u8]) -> Option<Contents> {
    let kind = client.command(&[b"TYPE".as_slice(), key]).text();
    let command: &[&[u8]] = match kind.as_str() {
        "set" => &[b"SMEMBERS", key],
        "hash" => &[b"HGETALL", key],
        "zset" => &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        _ => return None,
    };
    let reply = client.command(command);
    Some(match (&reply, kind.as_str()) {
        (Reply::Map(pairs), _) => pairs
            .iter()
            .map(|(name, value)| (bytes_of(name), value_of(value)))
            .collect(),
        (_, "set") => {
            let members = reply.elements().unwrap_or_default();
            let members = members.iter().map(|member| (bytes_of(member), Vec::new()));
            members.collect()
        }
        _ => pairs_of(reply.elements().unwrap_or_default())
            .into_iter()
            .collect(),
    })
}

/// Names and values: one after the other, or as arrays of two.
pub fn pairs_of(elements: &[Reply]) -> Vec<(Vec<u8>, Vec<u8>)> {
    if let Some(Reply::Array(_)) = elements.first() {
        let pairs = elements.iter().flat_map(|pair| {
            let pair = pair.elements().unwrap_or_default();
            pair.chunks_exact(2)
        });
        return pairs.map(pair_of).collect();
    }
    elements.chunks_exact(2).map(pair_of).collect()
}

fn pair_of(pair: &[Reply]) -> (Vec<u8>, Vec<u8>) {
    (bytes_of(&pair[0]), value_of(&pair[1]))
}

fn bytes_of(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Bulk(bytes) | Reply::Double(bytes) => bytes.clone(),
        other => other.to_string().into_bytes(),
    }
}

/// A value; scores that redis-server 7.0 prints with 17 digits as the shortest ones that mean the same.
fn value_of(reply: &Reply) -> Vec<u8> {
    let bytes = bytes_of(reply);
    let text = std::str::from_utf8(&bytes).ok();
    match text.and_then(|text| text.parse::<f64>().ok()) {
        // See `comparison` for the negative zero.
        Some(number) => (number + 0.0).to_string().into_bytes(),
        None => bytes,
    }
}
