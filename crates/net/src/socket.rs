//! A connected socket on its way to a backend, and the options that are set on it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrAny, sockopt};

/// A connected socket that no backend has registered yet. It can move between threads; dropping closes it.
#[derive(Debug)]
pub struct Socket {
    pub(crate) handle: Handle,
}

/// What is behind a socket.
#[derive(Debug)]
pub(crate) enum Handle {
    /// A real socket, non-blocking and closed on exec.
    Descriptor(OwnedFd),
    /// A connection of the simulation's network.
    Simulated(crate::simulation::End),
}

/// The other end's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// An address and port.
    Tcp(SocketAddr),
    /// A unix socket; clients have no name of their own.
    Unix,
    /// The connection was gone before it could be asked.
    Unknown,
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(address) => write!(formatter, "{address}"),
            Peer::Unix => formatter.write_str("unix"),
            Peer::Unknown => formatter.write_str("?"),
        }
    }
}

/// Options of accepted TCP sockets; unix sockets have none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Send small packets at once (TCP_NODELAY).
    pub no_delay: bool,
    /// Seconds of silence after which the peer is probed; 0 switches probes off. A dead peer is noticed after
    /// about twice this time: three probes follow at a third of it.
    pub keepalive_s: u32,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions {
            no_delay: true,
            keepalive_s: 60,
        }
    }
}

impl Socket {
    /// Takes over a connected stream socket and makes it non-blocking.
    ///
    /// # Errors
    /// When the system refuses to change the descriptor's flags.
    pub fn from_descriptor(descriptor: impl Into<OwnedFd>) -> io::Result<Socket> {
        let descriptor = descriptor.into();
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Socket {
            handle: Handle::Descriptor(descriptor),
        })
    }

    /// Sets `options` if this is a TCP socket.
    ///
    /// # Errors
    /// When the system refuses a value, or the connection is gone already.
    pub fn set_options(&self, options: &SocketOptions) -> io::Result<()> {
        let Some(descriptor) = self.tcp_descriptor() else {
            return Ok(());
        };
        sockopt::set_tcp_nodelay(descriptor, options.no_delay)?;
        sockopt::set_socket_keepalive(descriptor, options.keepalive_s > 0)?;
        if options.keepalive_s > 0 {
            let idle = Duration::from_secs(options.keepalive_s.into());
            let interval = Duration::from_secs((options.keepalive_s / 3).max(1).into());
            sockopt::set_tcp_keepidle(descriptor, idle)?;
            sockopt::set_tcp_keepintvl(descriptor, interval)?;
            sockopt::set_tcp_keepcnt(descriptor, 3)?;
        }
        Ok(())
    }

    /// Who is at the other end. Asks the system: keep the answer.
    pub fn peer(&self) -> Peer {
        match &self.handle {
            Handle::Descriptor(descriptor) => match rustix::net::getpeername(descriptor) {
                Ok(Some(address)) => to_peer(address),
                Ok(None) => Peer::Unix,
                Err(_) => Peer::Unknown,
            },
            Handle::Simulated(end) => end.peer(),
        }
    }

    /// Which of this machine's addresses the peer has connected to. Asks the system: keep the answer.
    pub fn local(&self) -> Peer {
        match &self.handle {
            Handle::Descriptor(descriptor) => {
                rustix::net::getsockname(descriptor).map_or(Peer::Unknown, to_peer)
            }
            Handle::Simulated(_) => Peer::Unknown,
        }
    }

    /// The descriptor, unless the socket is simulated.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.handle {
            Handle::Descriptor(descriptor) => Some(descriptor.as_fd()),
            Handle::Simulated(_) => None,
        }
    }

    /// The real descriptor, for the backends that work with the system.
    pub(crate) fn into_descriptor(self) -> io::Result<OwnedFd> {
        match self.handle {
            Handle::Descriptor(descriptor) => Ok(descriptor),
            Handle::Simulated(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a simulated socket",
            )),
        }
    }

    fn tcp_descriptor(&self) -> Option<BorrowedFd<'_>> {
        let descriptor = self.descriptor()?;
        let family = rustix::net::getsockname(descriptor).ok()?.address_family();
        matches!(family, AddressFamily::INET | AddressFamily::INET6).then_some(descriptor)
    }
}

fn to_peer(address: SocketAddrAny) -> Peer {
    if address.address_family() == AddressFamily::UNIX {
        return Peer::Unix;
    }
    SocketAddr::try_from(address).map_or(Peer::Unknown, |address| Peer::Tcp(unmapped(address)))
}

/// An IPv4 client of a dual-stack listener is shown as the IPv4 address that it is.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
