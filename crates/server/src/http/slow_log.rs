//! The slow log as the dashboard shows it: the one place that knows where it is kept.

use super::json::Object;
use super::numbers::Numbers;

/// The most entries that are shown.
const SHOWN_MAX: usize = 10;

/// Writes the field `slow_log`: a list, the newest first, of objects with `at_ms`, `microseconds`, `command`, `client`.
pub fn write(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let entries = numbers.shared.insight.slow.newest(SHOWN_MAX);
    json.list("slow_log", entries, |json, entry| {
        json.integer("at_ms", entry.at_s * 1000);
        json.integer("microseconds", entry.value);
        json.bytes("command", &entry.arguments.join(&b' '));
        json.string("client", &entry.address);
    });
}
