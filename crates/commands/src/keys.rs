//! Keys of any type.

use crate::command::Command;

/// The family's rows.
pub const COMMANDS: &[Command] = &[];
