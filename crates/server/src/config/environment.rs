//! Reads the environment variables that the table names.

use std::ffi::OsString;

use super::layers::Layers;
use super::source::Source;
use super::table::ROWS;

/// Adds what the environment says; `variable` looks one up.
pub fn read(layers: &mut Layers, variable: &dyn Fn(&str) -> Option<OsString>) {
    for (index, row) in ROWS.iter().enumerate() {
        if row.env.is_empty() {
            continue;
        }
        let Some(value) = variable(row.env) else {
            continue;
        };
        let source = Source::Environment(row.env);
        match value.to_str() {
            None => layers.fault(&source, "the value is not UTF-8 text"),
            Some(text) if is_kubernetes_service(row.env, text) => layers.notes.push(format!(
                "{} is '{text}', which Kubernetes sets for a service of that name: ignored",
                row.env
            )),
            Some(text) => layers.set_text(index, text, source),
        }
    }
}

/// Kubernetes gives every container `NAME_PORT=tcp://ADDRESS:PORT` for each service NAME, so a
/// service called redis makes a `REDIS_PORT` that nobody meant for this server.
fn is_kubernetes_service(variable: &str, text: &str) -> bool {
    variable.ends_with("_PORT") && text.starts_with("tcp://")
}
