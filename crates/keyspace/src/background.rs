//! The thread that frees what would take too long in the way of a command: flushed databases, many large values.
//!
//! It starts with the first of them and ends with the keyspace. It is nice to the workers: while they need the
//! processor, it gets about a tenth of what one of them gets.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use crate::shared::SharedBytes;
use crate::table::Tables;

#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What the thread frees, by dropping it.
pub(crate) enum Waste {
    /// The tables of a database, with all that is in them.
    #[expect(dead_code, reason = "held for its drop")]
    Tables(Tables),
    /// Large values, which others may still share.
    #[expect(dead_code, reason = "held for its drop")]
    Large(Vec<SharedBytes>),
}

/// The way to the thread.
#[derive(Default)]
pub(crate) struct Background(OnceLock<Option<Sender<Waste>>>);

impl Background {
    /// Frees it soon; now, if there can be no thread.
    pub fn free(&self, waste: Waste) {
        if let Some(sender) = self.0.get_or_init(start) {
            // Without its thread the channel gives the waste back, to be dropped here.
            let _ = sender.send(waste);
        }
    }
}

fn start() -> Option<Sender<Waste>> {
    let (sender, receiver) = channel::<Waste>();
    let thread = std::thread::Builder::new().name("free".into());
    let work = move || {
        #[cfg(target_os = "linux")]
        // If it cannot be nice, it competes.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
        receiver.into_iter().for_each(drop);
    };
    thread.spawn(work).ok().map(|_| sender)
}
