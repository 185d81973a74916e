//! Whether this kernel lets this process use io_uring the way the backend does.
//!
//! Asking for features does not tell: containers refuse some calls, and older kernels know an operation but not its
//! multishot form. So everything that the backend relies on is done once, over a socket without a name in the file
//! system.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::Uring;
use crate::backend::{Backend, ConnectionId, Event, Options};
use crate::listener::{Listener, ListenerHandle};
use crate::outgoing::Outgoing;

/// The whole test takes about a millisecond where it succeeds.
const TIMEOUT: Duration = Duration::from_secs(2);

const BUFFER_BYTES: usize = 4096;
const BUFFERS: usize = 4;

/// More than a unix socket takes at once.
const LARGE_BYTES: usize = 2 << 20;

/// Does once what the io_uring backend does all the time.
///
/// # Errors
/// What did not work, for the log.
pub fn io_uring_usable() -> Result<(), String> {
    let options = Options {
        buffer_bytes: BUFFER_BYTES,
        buffers_max: BUFFERS as u32,
        connections_max: 4,
    };
    let backend = Uring::new(&options).map_err(|error| format!("cannot set up a ring: {error}"))?;
    let mut test = SelfTest {
        backend,
        events: Vec::new(),
        deadline: Instant::now() + TIMEOUT,
    };
    test.run()
}

struct SelfTest {
    backend: Uring,
    events: Vec<Event>,
    deadline: Instant,
}

impl SelfTest {
    fn run(&mut self) -> Result<(), String> {
        let mut clients = self
            .accepts_twice()
            .map_err(|error| format!("multishot accept: {error}"))?;
        let (mut client, id) = clients.pop().ok_or("no connection")?;
        self.receives(&mut client, id)
            .map_err(|error| format!("multishot receive: {error}"))?;
        self.sends(&mut client, id)
            .map_err(|error| format!("send: {error}"))?;
        self.sends_shared(&mut client, id)
            .map_err(|error| format!("send of pieces: {error}"))?;
        self.fills(&mut client, id)
            .map_err(|error| format!("receive into a buffer: {error}"))?;
        self.is_woken().map_err(|error| format!("wake: {error}"))?;
        self.closes(client, id)
            .map_err(|error| format!("close: {error}"))
    }

    fn accepts_twice(&mut self) -> io::Result<Vec<(UnixStream, ConnectionId)>> {
        let (listener, address) = nameless_listener()?;
        self.backend.listen(listener)?;
        let mut clients = Vec::new();
        for _ in 0..2 {
            let client = stream_socket()?;
            rustix::net::connect(&client, &address)?;
            let Event::Accepted { socket, .. } = self.next()? else {
                return Err(io::Error::other("another event"));
            };
            client.set_nonblocking(true)?;
            clients.push((client, self.backend.open(socket)?));
        }
        self.backend.stop_listening();
        Ok(clients)
    }

    fn receives(&mut self, client: &mut UnixStream, id: ConnectionId) -> io::Result<()> {
        // Small ones that keep the receive armed, then more than there are buffers.
        for bytes in [1, 100, BUFFER_BYTES * BUFFERS * 3] {
            let message = vec![b'm'; bytes];
            client.write_all(&message)?;
            let mut received = Vec::new();
            while received.len() < bytes {
                match self.next()? {
                    Event::Received { id: from, buffer } if from == id => {
                        received.extend_from_slice(self.backend.bytes(&buffer));
                        self.backend.recycle(buffer);
                    }
                    event => return Err(io::Error::other(format!("{event:?}"))),
                }
            }
            if received != message {
                return Err(io::Error::other("other bytes than were sent"));
            }
        }
        Ok(())
    }

    fn sends(&mut self, client: &mut UnixStream, id: ConnectionId) -> io::Result<()> {
        for bytes in [1, LARGE_BYTES] {
            let message: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
            self.backend.send_lazily(id, message.clone());
            let mut received = Vec::new();
            let mut is_sent = false;
            while received.len() < bytes || !is_sent {
                self.check_deadline()?;
                // The last bytes are read before the end of the send has been seen, so this must not sleep long.
                self.backend
                    .wait(Some(Duration::from_micros(100)), &mut self.events)?;
                for event in self.events.drain(..) {
                    match event {
                        Event::Sent { buffer, .. } if buffer == message => is_sent = true,
                        _ => return Err(io::Error::other("another event")),
                    }
                }
                match client.read_to_end(&mut received) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                    Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
            if received != message {
                return Err(io::Error::other("other bytes than were sent"));
            }
        }
        Ok(())
    }

    fn sends_shared(&mut self, client: &mut UnixStream, id: ConnectionId) -> io::Result<()> {
        let outgoing = Outgoing {
            bytes: b"()".to_vec(),
            shared: vec![(1, Bytes::from_static(b"shared"))],
        };
        self.backend.send(id, outgoing);
        match self.next()? {
            Event::Sent { buffer, .. } if buffer == b"()" => {}
            event => return Err(io::Error::other(format!("{event:?}"))),
        }
        let mut received = [0; 8];
        client.read_exact(&mut received)?;
        if &received != b"(shared)" {
            return Err(io::Error::other("other bytes than were sent"));
        }
        Ok(())
    }

    /// A fill ends a multishot receive; the one after it begins with a receive of one buffer.
    fn fills(&mut self, client: &mut UnixStream, id: ConnectionId) -> io::Result<()> {
        for bytes in [100, BUFFER_BYTES * 3] {
            let message: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
            self.backend.fill(id, Vec::with_capacity(bytes), bytes);
            client.write_all(&message)?;
            client.write_all(b"!")?;
            match self.next()? {
                Event::Filled { buffer, .. } if buffer == message => {}
                event => return Err(io::Error::other(format!("{event:?}"))),
            }
            match self.next()? {
                Event::Received { buffer, .. } if self.backend.bytes(&buffer) == b"!" => {
                    self.backend.recycle(buffer);
                }
                event => return Err(io::Error::other(format!("{event:?}"))),
            }
        }
        Ok(())
    }

    fn is_woken(&mut self) -> io::Result<()> {
        let waker = self.backend.waker();
        let waking = std::thread::spawn(move || waker.wake());
        let event = self.next()?;
        let _ = waking.join();
        match event {
            Event::Woken => Ok(()),
            event => Err(io::Error::other(format!("{event:?}"))),
        }
    }

    fn closes(&mut self, client: UnixStream, id: ConnectionId) -> io::Result<()> {
        drop(client);
        match self.next()? {
            Event::EndOfStream { id: of } if of == id => {}
            event => return Err(io::Error::other(format!("{event:?}"))),
        }
        self.backend.close(id);
        match self.next()? {
            Event::Closed { id: of } if of == id => Ok(()),
            event => Err(io::Error::other(format!("{event:?}"))),
        }
    }

    fn next(&mut self) -> io::Result<Event> {
        while self.events.is_empty() {
            self.check_deadline()?;
            self.backend.wait(Some(TIMEOUT), &mut self.events)?;
        }
        Ok(self.events.remove(0))
    }

    fn check_deadline(&self) -> io::Result<()> {
        if Instant::now() < self.deadline {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

/// Listens on a name that the system chooses, outside of the file system.
fn nameless_listener() -> io::Result<(Listener, SocketAddrUnix)> {
    let descriptor = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    rustix::net::bind(&descriptor, &SocketAddrUnix::new_unnamed())?;
    rustix::net::listen(&descriptor, 4)?;
    let address = SocketAddrUnix::try_from(rustix::net::getsockname(&descriptor)?)?;
    let handle = ListenerHandle::Descriptor {
        descriptor,
        file: None,
    };
    Ok((Listener { handle }, address))
}

fn stream_socket() -> io::Result<UnixStream> {
    let descriptor = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(descriptor.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn succeeds_where_the_other_tests_do() {
        assert_eq!(super::io_uring_usable(), Ok(()));
    }
}
