//! Doubles as Redis prints and reads them.

/// The text of a double as Redis prints it from 7.2 on.
#[must_use]
pub fn format_double(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    value.to_string()
}
