//! One HTTP connection: what has arrived, what it waits for, and until when.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::limits::{
    ANSWER_TIME, IDLE_TIME, LINGER_TIME, REQUEST_BYTES_MAX, REQUEST_TIME, REQUESTS_MAX,
};
use super::request::{Parsed, Request, parse};
use super::status::Status;

/// One connection.
#[derive(Debug)]
pub struct Conversation {
    /// Where it comes from, if that is known.
    pub address: Option<IpAddr>,
    input: Vec<u8>,
    stage: Stage,
    since: Instant,
    requests: u32,
    /// The client sends nothing more.
    is_ended: bool,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A request.
    Asking,
    /// That the client reads its answer; then this.
    Answering(Afterwards),
    /// That the client stops sending what nobody looks at.
    Lingering,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// The next request.
    Next,
    /// The end.
    Close,
    /// The end, but the client may still be sending: closing at once could take the answer from it.
    Linger,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait,
    /// This is to be answered; `closes`: for the last time.
    Answer {
        /// The request.
        request: Request,
        /// Whether the connection closes afterwards.
        closes: bool,
    },
    /// This is all that is answered.
    Refuse(Status),
    /// It is over.
    Close,
}

impl Conversation {
    /// A connection that has just been accepted.
    pub fn new(address: Option<IpAddr>, now: Instant) -> Self {
        Self {
            address,
            input: Vec::new(),
            stage: Stage::Asking,
            since: now,
            requests: 0,
            is_ended: false,
        }
    }

    /// Takes what has arrived; whether there is room for more before the next answer.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> bool {
        match self.stage {
            Stage::Lingering | Stage::Answering(Afterwards::Close | Afterwards::Linger) => true,
            Stage::Asking | Stage::Answering(Afterwards::Next) => {
                if self.input.is_empty() && self.requests > 0 && self.stage == Stage::Asking {
                    self.since = now;
                }
                self.input.extend_from_slice(bytes);
                self.input.len() < REQUEST_BYTES_MAX
            }
        }
    }

    /// The client sends nothing more.
    pub fn end(&mut self) {
        self.is_ended = true;
    }

    /// What is to be done now that something has arrived or an answer has gone.
    pub fn step(&mut self, now: Instant) -> Step {
        match self.stage {
            Stage::Answering(_) => return Step::Wait,
            Stage::Lingering if self.is_ended => return Step::Close,
            Stage::Lingering => return Step::Wait,
            Stage::Asking => {}
        }
        match parse(&self.input) {
            Parsed::Incomplete if self.is_ended => Step::Close,
            Parsed::Incomplete => Step::Wait,
            Parsed::Request(request, bytes) => {
                self.input.drain(..bytes);
                self.requests += 1;
                let is_last = self.is_ended && self.input.is_empty();
                let closes = !request.keeps_alive || is_last || self.requests >= REQUESTS_MAX;
                let afterwards = if closes {
                    Afterwards::Close
                } else {
                    Afterwards::Next
                };
                self.enter(Stage::Answering(afterwards), now);
                Step::Answer { request, closes }
            }
            Parsed::Refused(status) => {
                self.input = Vec::new();
                self.enter(Stage::Answering(Afterwards::Linger), now);
                Step::Refuse(status)
            }
        }
    }

    /// An answer has gone.
    pub fn sent(&mut self, now: Instant) -> Step {
        let Stage::Answering(afterwards) = self.stage else {
            return Step::Wait;
        };
        match afterwards {
            Afterwards::Close => Step::Close,
            Afterwards::Linger => {
                self.enter(Stage::Lingering, now);
                self.step(now)
            }
            Afterwards::Next => {
                self.enter(Stage::Asking, now);
                self.step(now)
            }
        }
    }

    /// What is to be done when its time is over.
    pub fn expire(&mut self, now: Instant) -> Step {
        if self.stage == Stage::Asking && !self.input.is_empty() {
            self.input = Vec::new();
            self.enter(Stage::Answering(Afterwards::Close), now);
            return Step::Refuse(Status::RequestTimeout);
        }
        Step::Close
    }

    /// When its time is over.
    pub fn deadline(&self) -> Instant {
        let time: Duration = match self.stage {
            Stage::Asking if self.requests > 0 && self.input.is_empty() => IDLE_TIME,
            Stage::Asking => REQUEST_TIME,
            Stage::Answering(_) => ANSWER_TIME,
            Stage::Lingering => LINGER_TIME,
        };
        self.since + time
    }

    /// Who goes first when there are too many: the smallest, those that are being answered last.
    pub fn rank(&self) -> (bool, Instant) {
        (matches!(self.stage, Stage::Answering(_)), self.since)
    }

    fn enter(&mut self, stage: Stage, now: Instant) {
        self.stage = stage;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Conversation, Status, Step};
    use crate::http::limits::{IDLE_TIME, REQUEST_BYTES_MAX, REQUEST_TIME, REQUESTS_MAX};

    const ASK: &[u8] = b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n";

    fn begin() -> (Conversation, Instant) {
        let now = Instant::now();
        (Conversation::new(None, now), now)
    }

    #[track_caller]
    fn answers(step: &Step, expected: bool) {
        match step {
            Step::Answer { closes, .. } => assert_eq!(*closes, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_are_answered_one_after_the_other() {
        let (mut conversation, now) = begin();
        let two = [ASK, ASK].concat();
        assert!(conversation.receive(&two[..40], now));
        answers(&conversation.step(now), false);
        assert!(conversation.receive(&two[40..], now));
        assert_eq!(conversation.step(now), Step::Wait);
        answers(&conversation.sent(now), false);
        assert_eq!(conversation.sent(now), Step::Wait);
    }

    #[test]
    fn bytes_that_come_slowly_win_no_time() {
        let (mut conversation, now) = begin();
        for (second, byte) in ASK.iter().take(20).enumerate() {
            let later = now + Duration::from_millis(second as u64 * 240);
            conversation.receive(&[*byte], later);
            assert_eq!(conversation.step(later), Step::Wait);
            assert_eq!(conversation.deadline(), now + REQUEST_TIME);
        }
        let over = conversation.deadline();
        assert_eq!(
            conversation.expire(over),
            Step::Refuse(Status::RequestTimeout)
        );
        assert_eq!(conversation.sent(over), Step::Close);
    }

    #[test]
    fn who_asks_again_has_the_time_of_a_request() {
        let (mut conversation, now) = begin();
        conversation.receive(ASK, now);
        answers(&conversation.step(now), false);
        let later = now + Duration::from_secs(1);
        assert_eq!(conversation.sent(later), Step::Wait);
        assert_eq!(conversation.deadline(), later + IDLE_TIME);
        let again = later + Duration::from_secs(20);
        conversation.receive(&ASK[..3], again);
        assert_eq!(conversation.deadline(), again + REQUEST_TIME);
        assert_eq!(
            conversation.expire(again),
            Step::Refuse(Status::RequestTimeout)
        );
    }

    #[test]
    fn connections_that_rest_just_close() {
        let (mut conversation, now) = begin();
        assert_eq!(conversation.expire(now), Step::Close);
    }

    #[test]
    fn the_end_of_the_client_is_the_end() {
        let (mut conversation, now) = begin();
        conversation.receive(ASK, now);
        conversation.end();
        answers(&conversation.step(now), true);
        assert_eq!(conversation.sent(now), Step::Close);
        let (mut conversation, now) = begin();
        conversation.receive(&ASK[..9], now);
        conversation.end();
        assert_eq!(conversation.step(now), Step::Close);
    }

    #[test]
    fn the_last_request_says_so() {
        let (mut conversation, now) = begin();
        for request in 1..=REQUESTS_MAX {
            conversation.receive(ASK, now);
            answers(&conversation.step(now), request == REQUESTS_MAX);
            let next = conversation.sent(now);
            assert_eq!(next == Step::Close, request == REQUESTS_MAX);
        }
    }

    #[test]
    fn what_is_refused_is_read_to_its_end() {
        let (mut conversation, now) = begin();
        conversation.receive(b"POST / HTTP/1.0\r\n\r\n", now);
        assert_eq!(
            conversation.step(now),
            Step::Refuse(Status::MethodNotAllowed)
        );
        assert_eq!(conversation.sent(now), Step::Wait);
        assert!(conversation.receive(&vec![b'x'; 1 << 20], now));
        assert!(conversation.input.is_empty());
        conversation.end();
        assert_eq!(conversation.step(now), Step::Close);
    }

    #[test]
    fn nobody_sends_more_than_is_answered() {
        let (mut conversation, now) = begin();
        conversation.receive(ASK, now);
        answers(&conversation.step(now), false);
        assert!(!conversation.receive(&vec![b'x'; REQUEST_BYTES_MAX], now));
    }
}
