//! Sockets that accept: TCP over IPv4 and IPv6, and unix sockets.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, sockopt};

use crate::backend::{Event, ListenerId};
use crate::socket::{Handle, Peer, Socket};

/// Connections accepted from one listener in one wait: accepting one takes some microseconds.
const ACCEPTS_PER_WAIT: usize = 16;

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// Connections that the system completes before they are accepted; it may have a lower limit
    /// (net.core.somaxconn).
    pub backlog: u32,
    /// Lets other listeners, in this process or another of the same user, listen on the same TCP address; the
    /// system spreads connections over them (SO_REUSEPORT).
    pub reuse_port: bool,
    /// Permission bits of the unix socket's file, for example 0o700; `None` leaves them to the umask.
    pub unix_mode: Option<u32>,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        ListenerOptions {
            backlog: 511,
            reuse_port: false,
            unix_mode: None,
        }
    }
}

/// A listening socket. Clones share it; the unix socket's file goes with the last of them.
#[derive(Debug)]
pub struct Listener {
    pub(crate) handle: ListenerHandle,
}

#[derive(Debug)]
pub(crate) enum ListenerHandle {
    Descriptor {
        descriptor: OwnedFd,
        file: Option<Arc<SocketFile>>,
    },
    Simulated(u32),
}

impl Listener {
    /// Listens on a TCP address; port 0 lets the system choose, `local` tells which. An IPv6 address does not
    /// take the IPv4 port with it. The address may be in TIME_WAIT (SO_REUSEADDR).
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied` and what else the system answers.
    pub fn tcp(address: SocketAddr, options: &ListenerOptions) -> io::Result<Listener> {
        let family = if address.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let descriptor = stream_socket(family)?;
        sockopt::set_socket_reuseaddr(&descriptor, true)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&descriptor, true)?;
        }
        if options.reuse_port {
            sockopt::set_socket_reuseport(&descriptor, true)?;
        }
        rustix::net::bind(&descriptor, &address)?;
        rustix::net::listen(&descriptor, backlog(options))?;
        Ok(Listener {
            handle: ListenerHandle::Descriptor {
                descriptor,
                file: None,
            },
        })
    }

    /// Listens on a unix socket. A socket file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when another process listens there or the path is some other kind of file; what else the
    /// system answers.
    pub fn unix(path: &Path, options: &ListenerOptions) -> io::Result<Listener> {
        remove_stale(path)?;
        let descriptor = stream_socket(AddressFamily::UNIX)?;
        rustix::net::bind(&descriptor, &SocketAddrUnix::new(path)?)?;
        let file = SocketFile::new(path)?;
        // Before listen, so that nobody can connect while the permissions are not set yet.
        if let Some(mode) = options.unix_mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        rustix::net::listen(&descriptor, backlog(options))?;
        Ok(Listener {
            handle: ListenerHandle::Descriptor {
                descriptor,
                file: Some(Arc::new(file)),
            },
        })
    }

    /// Another handle to the same socket, for another worker.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn try_clone(&self) -> io::Result<Listener> {
        let handle = match &self.handle {
            ListenerHandle::Descriptor { descriptor, file } => ListenerHandle::Descriptor {
                descriptor: descriptor.try_clone()?,
                file: file.clone(),
            },
            ListenerHandle::Simulated(port) => ListenerHandle::Simulated(*port),
        };
        Ok(Listener { handle })
    }

    /// The address that is listened on.
    pub fn local(&self) -> Peer {
        match &self.handle {
            ListenerHandle::Descriptor { file: Some(_), .. } => Peer::Unix,
            ListenerHandle::Descriptor {
                descriptor,
                file: None,
            } => rustix::net::getsockname(descriptor)
                .ok()
                .and_then(|address| SocketAddr::try_from(address).ok())
                .map_or(Peer::Unknown, Peer::Tcp),
            ListenerHandle::Simulated(_) => Peer::Unknown,
        }
    }

    /// The descriptor, unless the listener is simulated.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.handle {
            ListenerHandle::Descriptor { descriptor, .. } => Some(descriptor.as_fd()),
            ListenerHandle::Simulated(_) => None,
        }
    }

    /// Accepts one connection without waiting; `WouldBlock` when there is none.
    fn accept(&self) -> io::Result<Socket> {
        let ListenerHandle::Descriptor { descriptor, .. } = &self.handle else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        Ok(Socket {
            handle: Handle::Descriptor(accept(descriptor)?),
        })
    }

    /// Accepts some of the connections that wait; whether it was all of them.
    pub(crate) fn accept_some(&self, id: ListenerId, events: &mut Vec<Event>) -> io::Result<bool> {
        use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
        for _ in 0..ACCEPTS_PER_WAIT {
            match self.accept() {
                Ok(socket) => events.push(Event::Accepted {
                    listener: id,
                    socket,
                }),
                Err(error) if error.kind() == WouldBlock => return Ok(true),
                // The client has gone already, or a signal came.
                Err(error) if [ConnectionAborted, Interrupted].contains(&error.kind()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// A listener of the simulation's network: clients connect to it by `port`.
    pub fn simulated(port: u32) -> Listener {
        Listener {
            handle: ListenerHandle::Simulated(port),
        }
    }
}

/// A unix socket's file; removed when dropped, unless somebody has replaced it since.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<SocketFile> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(SocketFile {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours =
            |metadata: fs::Metadata| metadata.dev() == self.device && metadata.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // Nothing can be done about a failure here; the next start removes the stale file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let in_use = |text| Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            in_use("the path exists and is not a socket")
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => in_use("another process listens on this unix socket"),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) => Err(error),
        },
    }
}

fn stream_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let descriptor = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    Ok(descriptor)
}

#[cfg(not(target_vendor = "apple"))]
fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    use rustix::net::SocketFlags;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::accept_with(listener, flags)?)
}

#[cfg(target_vendor = "apple")]
fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let descriptor = rustix::net::accept(listener)?;
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    Ok(descriptor)
}

fn backlog(options: &ListenerOptions) -> i32 {
    i32::try_from(options.backlog).unwrap_or(i32::MAX)
}
