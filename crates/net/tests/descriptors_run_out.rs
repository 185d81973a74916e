//! Accepting when the process has no descriptor left. Alone in its process, because the limit is the process's.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use net::{Backend, Event, Listener, ListenerOptions, MioBackend, Options, Peer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn accepting_pauses_and_goes_on() {
    for is_resumed in [true, false] {
        pauses_and_goes_on::<MioBackend>(is_resumed);
        #[cfg(target_os = "linux")]
        pauses_and_goes_on::<net::Uring>(is_resumed);
    }
}

fn pauses_and_goes_on<B: Backend>(is_resumed: bool) {
    let mut backend = B::new(&Options::default()).expect("a backend");
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::tcp(address, &ListenerOptions::default()).expect("listen");
    let Peer::Tcp(address) = listener.local() else {
        panic!("no address")
    };
    backend.listen(listener).expect("register");
    let _client = TcpStream::connect(address).expect("connect");
    let limit = allow_no_more_descriptors();
    let event = next(&mut backend);
    assert!(
        matches!(event, Event::AcceptFailed { .. }),
        "{}: {event:?}",
        B::NAME
    );
    let mut events = Vec::new();
    for _ in 0..20 {
        backend
            .wait(Some(Duration::ZERO), &mut events)
            .expect("wait");
    }
    assert!(events.len() <= 2, "{} failures in no time", events.len());
    setrlimit(Resource::Nofile, limit).expect("raise the limit");
    if is_resumed {
        backend.resume_accept();
    }
    loop {
        match next(&mut backend) {
            Event::Accepted { .. } => break,
            Event::AcceptFailed { .. } => {}
            event => panic!("unexpected: {event:?}"),
        }
    }
}

/// Lowers the limit to what is open now and returns what it was.
fn allow_no_more_descriptors() -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    let lowest_free = File::open("/dev/null").expect("a descriptor").as_raw_fd();
    let lowered = Rlimit {
        current: Some(lowest_free as u64),
        ..limit
    };
    setrlimit(Resource::Nofile, lowered).expect("lower the limit");
    limit
}

fn next<B: Backend>(backend: &mut B) -> Event {
    let start = Instant::now();
    let mut events = Vec::new();
    while events.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "no event");
        backend
            .wait(Some(Duration::from_secs(20)), &mut events)
            .expect("wait");
    }
    events.remove(0)
}
