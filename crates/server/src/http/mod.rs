//! The HTTP endpoint: health, metrics, what is known of the cache, and the dashboard. It only tells, it changes nothing.
//!
//! One thread of its own serves all of it, over the same sockets as the workers have (`net`), but always by epoll or
//! kqueue. It takes no lock that a command waits for, and asks for numbers only when somebody wants them. While nobody
//! is connected it sleeps.
//!
//! | file | what it holds |
//! |---|---|
//! | `limits` | what one client may take, and all together |
//! | `request`, `status`, `response` | bytes to a request, an answer to bytes |
//! | `conversation`, `server` | one connection, and the thread that has them all |
//! | `routes`, `access` | the paths, and who may see them |
//! | `numbers` | what is told, gathered once for each answer |
//! | `health`, `cache` | probes and what is known of the cache, as JSON |
//! | `latency`, `slow_log` | how long commands take, and which took long |
//! | `metrics` | Prometheus's text format, from one table |
//! | `dashboard` | the page and its numbers |
//! | `json` | writing JSON |
//! | `probe` | asks a running server, for `--check-health` |

mod access;
mod cache;
mod conversation;
mod dashboard;
mod health;
mod json;
mod latency;
pub(crate) mod limits;
mod metrics;
mod numbers;
pub mod probe;
pub mod request;
mod response;
mod routes;
mod server;
mod slow_log;
pub mod status;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use commands::shared::Shared;
use net::{Backend, Listener, ListenerOptions, MioBackend};
use tracing::{error, info, warn};

use self::routes::Site;
use self::server::{Server, backend_options};
use crate::process::Process;

pub use self::metrics::documentation as metrics_documentation;

/// Descriptors that are kept for connections over HTTP.
pub const DESCRIPTORS_MAX: u64 = limits::CONNECTIONS_MAX as u64;

/// Starts the thread that serves `server.health_check_port`. What cannot be listened on is logged, and the server goes on
/// without it.
///
/// # Errors
/// When the thread cannot be started.
pub fn start(process: &Arc<Process>, shared: &Arc<Shared>) -> io::Result<()> {
    let listeners = listen(process);
    if listeners.is_empty() {
        return Ok(());
    }
    let site = Site::new(Arc::clone(process), Arc::clone(shared));
    let work = move || {
        if let Err(error) = serve(listeners, site) {
            error!(%error, "the HTTP endpoint has failed");
        }
    };
    std::thread::Builder::new()
        .name("http".into())
        .spawn(work)?;
    Ok(())
}

fn serve(listeners: Vec<Listener>, mut site: Site) -> io::Result<()> {
    let mut backend = MioBackend::new(&backend_options())?;
    for listener in listeners {
        backend.listen(listener)?;
    }
    Server::new(backend, |request, address| site.answer(request, address)).run()
}

/// Listens on every address of `server.health_check_bind`.
fn listen(process: &Process) -> Vec<Listener> {
    let settings = process.config.settings();
    let port = settings.server.health_check_port;
    if port == 0 {
        return Vec::new();
    }
    let mut listeners = Vec::new();
    for bind in &settings.server.health_check_bind {
        let address = SocketAddr::new(bind.address, port);
        match Listener::tcp(address, &ListenerOptions::default()) {
            Ok(listener) => {
                info!(%address, "health checks and metrics over HTTP");
                listeners.push(listener);
            }
            Err(error) if bind.optional && error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => warn!(
                %address,
                %error,
                "no health checks and metrics over HTTP: the address cannot be listened on \
                 (server.health_check_port, server.health_check_bind)"
            ),
        }
    }
    listeners
}
