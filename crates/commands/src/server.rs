//! The server itself: INFO, CONFIG, COMMAND and others.

use crate::command::Command;

/// The family's rows.
pub const COMMANDS: &[Command] = &[];
