//! Configuration: one table of settings (`table`), and everything that derives from it.
//!
//! - `table`, `declare`: the settings, and the macro that makes rows and typed structs of them.
//! - `value`, `size`, `portion`, `output_limits`: the types a setting can have, and byte sizes as people write them.
//! - `prefixes`: the tables of `[[prefix]]`, which are no settings.
//! - `users`: the tables of `[[security.users]]`, which are no settings either.
//! - `memory_limits`: what the settings say about memory, in plain numbers.
//! - `load`: the start: `layers` puts together what `file`, `environment` and `arguments` say;
//!   `source` names where each value came from, `nearest` finds what a wrong name was meant to be.
//! - `import`: a redis.conf as a file of ours.
//! - `help`: `--help`, `--version`, `--check-config` and the page of the documents.
//! - `store`: the settings of the running server, with CONFIG GET (`get`), SET (`set`) and REWRITE
//!   (`rewrite`); the file is read again by `reload`.

mod arguments;
mod declare;
mod environment;
mod file;
mod get;
mod help;
mod import;
mod layers;
mod load;
mod memory_limits;
mod nearest;
mod output_limits;
mod portion;
mod prefixes;
mod reload;
mod rewrite;
mod rewrite_users;
mod set;
mod size;
mod source;
mod store;
mod table;
mod users;
mod value;

#[cfg(test)]
mod tests;

pub use arguments::{OWN_FLAGS, OwnFlag};
pub use declare::Row;
pub use help::documentation;
pub use layers::Errors;
pub use load::{Inputs, Start, from_process, start};
pub use memory_limits::MemoryLimits;
pub use output_limits::{GivenLimits, LimitsFault, OutputLimit, OutputLimits};
pub use portion::{Portion, Whole};
pub use prefixes::PrefixSettings;
pub use reload::Reload;
pub use rewrite::replace;
pub use source::Source;
pub use store::{Config, Hook, Refusal, Watch};
pub use table::{
    CONSTANTS, Constant, EncodingSettings, EvictionPolicy, IoBackend, LogFormat, LogLevel,
    LoggingSettings, MemorySettings, MonitoringSettings, PerformanceSettings, PubsubDefault, ROWS,
    SECTIONS, SecuritySettings, ServerSettings, Settings, TlsClients, TlsProtocols, TlsUser, find,
};
pub use users::UserSettings;
pub use value::{BindAddress, CommandNames, Fault, FileMode, FromValue, Kind, Secret, Value, Word};
