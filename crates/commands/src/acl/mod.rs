//! Users and what they may do: the access control lists of Redis 7.
//!
//! | file | what it holds |
//! |---|---|
//! | `users` | all users, and how changes reach the sessions |
//! | `user` | a user: passwords and permissions |
//! | `rule` | rules, read from words |
//! | `selector` | a set of permissions: commands, keys, channels |
//! | `permissions` | the commands of a selector |
//! | `keys` | the keys of a request, and what is done with them |
//! | `describe` | permissions as ACL LIST and GETUSER show them |
//! | `password` | hashes of passwords |
//! | `file` | the text of the ACL file |
//! | `log` | ACL LOG |
//! | `command` | the command ACL |
//! | `guard` | the checks before a request is executed, and logging in |
//! | `session` | the user of a session |
//! | `failures` | addresses from which wrong passwords came |

pub(crate) mod command;
mod describe;
mod failures;
mod file;
pub(crate) mod guard;
pub(crate) mod keys;
pub(crate) mod log;
mod password;
mod permissions;
mod rule;
mod selector;
mod session;
mod user;
mod users;

#[cfg(test)]
mod tests;

pub(crate) use log::Reason;
pub use rule::has_spaces;
pub use selector::{ChannelsDefault, Denied};
pub(crate) use session::Followed;
pub use user::{DEFAULT_USER, Fault, User};
pub use users::Acl;
