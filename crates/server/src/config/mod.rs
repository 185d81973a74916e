//! Configuration: one table of settings (`table`), and everything that derives from it.
//!
//! - `table`, `declare`: the settings and the macro that makes rows and typed structs of them.
//! - `value`, `size`: the types a setting can have, and byte sizes as people write them.
//! - `nearest`: the known name that an unknown one was probably meant to be.

mod declare;
mod nearest;
mod size;
mod table;
mod value;

pub use declare::Row;
pub use table::{
    CONSTANTS, EvictionPolicy, IoBackend, LogFormat, LogLevel, LoggingSettings, MemorySettings,
    PerformanceSettings, ROWS, SECTIONS, SecuritySettings, ServerSettings, Settings, find,
};
pub use value::{BindAddress, Fault, FileMode, FromValue, Kind, Secret, Value, Word};
