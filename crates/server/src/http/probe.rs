//! `--check-health`: asks a running server whether it is ready, for containers that have no other HTTP client.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::config::Settings;

/// How long connecting, asking and waiting for the answer may take, each.
const TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// The beginning of an answer that says so.
const READY: &[u8] = b"HTTP/1.1 200 ";

/// Asks the server that has these settings.
///
/// # Errors
/// Why it is not ready, as a sentence.
pub fn is_ready(settings: &Settings) -> Result<(), String> {
    let server = &settings.server;
    let bind = server.health_check_bind.first();
    let (Some(bind), 1..) = (bind, server.health_check_port) else {
        return Err("server.health_check_port is 0: there is nobody to ask".to_owned());
    };
    let address = SocketAddr::new(reachable(bind.address), server.health_check_port);
    let begin = answer(address).map_err(|error| format!("{address}: {error}"))?;
    if begin == READY {
        Ok(())
    } else {
        Err(format!("{address}: the server is not ready"))
    }
}

/// Where a server that listens there can be reached from the same machine.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

fn answer(address: SocketAddr) -> std::io::Result<[u8; READY.len()]> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(REQUEST)?;
    let mut begin = [0; READY.len()];
    stream.read_exact(&mut begin)?;
    Ok(begin)
}
