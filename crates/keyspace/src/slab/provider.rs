//! The thread that prepares chunks of huge pages.
//!
//! Whoever touches a huge page first waits until 2 MB of it are cleared. In a virtual machine whose memory the host has
//! not given yet that took 5 to 40 ms, longer than a worker may keep its clients waiting. So workers get chunks that
//! this thread has touched, and one of small pages when none is ready. It is nice to them: on a core of their own they
//! leave it about a tenth, and it rests after each chunk for some times as long as that took.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::HugePages;
use super::memory::Mapping;
use super::pool::Chunks;

#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
/// The thread rests so many times as long as it has worked.
const REST_RATIO: u32 = 2;

/// The way to the thread, which starts with the first request.
#[derive(Default)]
pub(super) struct Provider(OnceLock<Option<SyncSender<()>>>);

impl Provider {
    /// Asks for a spare chunk. It comes soon, or not at all.
    pub fn request(&self, chunks: &Arc<Mutex<Chunks>>) {
        if let Some(sender) = self.0.get_or_init(|| start(Arc::clone(chunks))) {
            // When a request waits already, that is enough.
            let _ = sender.try_send(());
        }
    }
}

fn start(chunks: Arc<Mutex<Chunks>>) -> Option<SyncSender<()>> {
    let (sender, receiver) = sync_channel(1);
    let thread = std::thread::Builder::new().name("pages".into());
    let started = thread.spawn(move || provide(&receiver, &chunks));
    started.ok().map(|_| sender)
}

fn provide(requests: &Receiver<()>, chunks: &Mutex<Chunks>) {
    #[cfg(target_os = "linux")]
    // If it cannot be nice, it competes.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    while requests.recv().is_ok() {
        let before = cpu_time();
        let Some(mut mapping) = Mapping::new(HugePages::Yes) else {
            continue;
        };
        mapping.touch();
        let worked = cpu_time().saturating_sub(before);
        let unneeded = chunks.lock().add_touched(mapping);
        drop(unneeded);
        std::thread::sleep(worked * REST_RATIO);
    }
}

/// CPU time of this thread, as far as the system tells.
fn cpu_time() -> Duration {
    #[cfg(all(unix, not(miri)))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(time).unwrap_or_default()
    }
    #[cfg(not(all(unix, not(miri))))]
    Duration::ZERO
}
