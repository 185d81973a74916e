//! Sockets, completion-shaped: a worker waits once and is told what was accepted, received, sent and closed.
//!
//! This crate knows bytes and connections, no protocol. `backend` is the interface; `uring` (Linux), `mio_backend`
//! (epoll, kqueue) and `simulation` (for tests of callers) implement it. `listener` and `socket` make and configure
//! sockets; `descriptors` and `cores` ask the system what this process may use.

mod accept_pause;
pub mod backend;
mod buffer_pool;
pub mod cores;
pub mod descriptors;
mod fill;
pub mod listener;
pub mod mio_backend;
mod outgoing;
pub mod simulation;
mod slots;
pub mod socket;
#[cfg(target_os = "linux")]
pub mod uring;
mod waker;

pub use backend::{Backend, Buffer, ConnectionId, Event, ListenerId, Options, ReceiveMemory};
pub use cores::available_cores;
pub use listener::{Listener, ListenerOptions};
pub use mio_backend::MioBackend;
pub use outgoing::Outgoing;
pub use socket::{Peer, Socket, SocketOptions};
#[cfg(target_os = "linux")]
pub use uring::{Uring, io_uring_usable};
pub use waker::Waker;

/// There is no io_uring here.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn io_uring_usable() -> Result<(), String> {
    Err("this system has no io_uring".to_owned())
}
