//! `/cache`: the hit ratio with other amounts of memory, hot keys and big keys.

use keyspace::{BigKey, CurvePoint, HotKey};

use super::json::{Json, Object};
use super::limits::KEYS_MAX;
use super::response::{JSON, Response};
use super::routes::Asked;
use super::status::Status;

/// Keys that are listed when no number is asked for, as by HOTKEYS and BIGKEYS.
const COUNT: usize = 32;

/// What the hit ratio would be with less and with more memory.
pub fn curve(asked: &Asked<'_>) -> Response {
    let body = Json::object(|json| write_curve(json, &asked.shared.keyspace.curve()));
    Response::new(JSON, body)
}

/// The keys that most commands name.
pub fn hot_keys(asked: &Asked<'_>) -> Response {
    listed(asked, |json, count| {
        let keys = asked.shared.keyspace.hot_keys(count, asked.now_ms());
        write_hot_keys(json, &keys);
    })
}

/// The keys that take the most memory.
pub fn big_keys(asked: &Asked<'_>) -> Response {
    listed(asked, |json, count| {
        write_big_keys(json, &asked.shared.keyspace.big_keys(count));
    })
}

/// A list of so many keys as `count` asks for.
fn listed(asked: &Asked<'_>, write: impl FnOnce(&mut Object<'_>, usize)) -> Response {
    let count = match asked.request.field("count").map(str::parse::<usize>) {
        None => COUNT,
        Some(Ok(count @ 1..=KEYS_MAX)) => count,
        Some(_) => {
            let line = format!("count is a number from 1 to {KEYS_MAX}");
            return Response::text(Status::BadRequest, &line);
        }
    };
    Response::new(JSON, Json::object(|json| write(json, count)))
}

/// The points of the curve.
pub fn write_curve(json: &mut Object<'_>, points: &[CurvePoint]) {
    json.list("points", points, |json, point| {
        json.number("factor", point.factor);
        json.integer("bytes", point.bytes);
        json.integer("keys", point.keys);
        json.number_or_null("hit_ratio", point.hit_ratio);
        json.integer("sampled_reads", point.sampled_reads);
    });
}

/// Hot keys, the hottest first.
pub fn write_hot_keys(json: &mut Object<'_>, keys: &[HotKey]) {
    json.list("keys", keys, |json, hot| {
        json.bytes("key", &hot.key);
        json.integer("db", hot.database);
        json.integer("accesses_per_second", hot.accesses_per_second);
    });
}

/// Big keys, the biggest first.
pub fn write_big_keys(json: &mut Object<'_>, keys: &[BigKey]) {
    json.list("keys", keys, |json, big| {
        json.bytes("key", &big.key);
        json.integer("db", big.database);
        json.integer("bytes", big.bytes);
    });
}
