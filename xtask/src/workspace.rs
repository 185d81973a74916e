//! The workspace that the tasks work on, and running programs in it.

use std::path::PathBuf;
use std::process::Command;

/// The directory of the workspace.
pub fn root() -> Result<PathBuf, String> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run this by cargo xtask")?;
    let mut root = PathBuf::from(manifest);
    root.pop();
    Ok(root)
}

/// The cargo that runs this task, in the directory of the workspace.
pub fn cargo(arguments: &[&str]) -> Result<Command, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root()?);
    Ok(command)
}

/// Runs a command with its output on the terminal. An error names it.
pub fn run(mut command: Command) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|error| format!("cannot run {}: {error}", shown(&command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("failed ({status}): {}", shown(&command)))
    }
}

/// The standard output of a command that has to succeed.
pub fn output(mut command: Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run {}: {error}", shown(&command)))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("failed: {}\n{errors}", shown(&command)));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("not text: {}", shown(&command)))
}

/// Whether the environment variable is set, and to something other than 0.
pub fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

fn shown(command: &Command) -> String {
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy());
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(arguments);
    words.join(" ")
}
