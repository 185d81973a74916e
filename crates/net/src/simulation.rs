//! A simulated network for tests.
use crate::socket::Peer;
/// An end.
#[derive(Debug)]
pub struct End;
impl End {
    pub(crate) fn peer(&self) -> Peer {
        Peer::Unknown
    }
}
