//! The slow log as the dashboard shows it: the one place that knows where it is kept.

use super::json::Object;
use super::numbers::Numbers;

/// Writes the field `slow_log`: a list, the newest first, of objects with `at_ms`, `microseconds`, `command`, `client`;
/// `null` where no slow log is kept.
pub fn write(json: &mut Object<'_>, _numbers: &Numbers<'_>) {
    json.number_or_null("slow_log", None);
}
