//! One io_uring: submission, sleep and completion in one system call.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};

/// Submissions that fit into the ring; more wait in memory.
const SUBMISSIONS: u32 = 1024;

/// Completions that fit. The kernel keeps more than that elsewhere, at a price.
const COMPLETIONS: u32 = 4096;

/// What an operation is, and the slot or listener that it is for: an operation's user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) operation: Operation,
    pub(crate) index: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Receive,
    Send,
    Accept,
    Wake,
    /// A receive into the buffer of a fill.
    Fill,
    Cancel,
}

impl Tag {
    fn to_user_data(self) -> u64 {
        (self.operation as u64) << 32 | u64::from(self.index)
    }

    fn from_user_data(data: u64) -> Tag {
        let operation = match data >> 32 {
            0 => Operation::Receive,
            1 => Operation::Send,
            2 => Operation::Accept,
            3 => Operation::Wake,
            4 => Operation::Fill,
            _ => Operation::Cancel,
        };
        let index = data as u32;
        Tag { operation, index }
    }
}

/// The end of an operation, or of one step of a multishot operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) tag: Tag,
    /// A number that depends on the operation, or a negative error number.
    pub(crate) result: i32,
    /// The operation goes on.
    pub(crate) more: bool,
    /// The provided buffer that was filled.
    pub(crate) buffer: Option<u16>,
}

/// See the module's description. Belongs to the thread that made it.
pub(crate) struct Ring {
    ring: IoUring,
    /// What did not fit into the submission queue.
    backlog: VecDeque<Entry>,
    wait_flags: EnterFlags,
}

impl Ring {
    pub(crate) fn new() -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_clamp()
            .setup_cqsize(COMPLETIONS)
            .dontfork()
            .build(SUBMISSIONS)?;
        let parameters = ring.params();
        let is_complete = parameters.is_feature_ext_arg()
            && parameters.is_feature_nodrop()
            && parameters.is_feature_skip_cqe_on_success();
        if !is_complete {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut wait_flags = EnterFlags::GETEVENTS;
        // A sleeping server is idle, not waiting for a disk.
        wait_flags.set(EnterFlags::NO_IOWAIT, parameters.is_feature_no_iowait());
        Ok(Ring {
            ring,
            backlog: VecDeque::new(),
            wait_flags,
        })
    }

    pub(crate) fn io_uring(&self) -> &IoUring {
        &self.ring
    }

    /// Adds an operation to the next `enter`.
    ///
    /// # Safety
    /// Descriptors and memory that `entry` names must stay as they are until the operation has completed.
    #[inline]
    pub(crate) unsafe fn push(&mut self, entry: Entry, tag: Tag) {
        let entry = entry.user_data(tag.to_user_data());
        // SAFETY: promised by the caller.
        let is_pushed =
            self.backlog.is_empty() && unsafe { self.ring.submission().push(&entry) }.is_ok();
        if !is_pushed {
            self.backlog.push_back(entry);
        }
    }

    /// Cancels an operation; it completes with ECANCELED unless it has completed before.
    pub(crate) fn cancel(&mut self, tag: Tag) {
        let entry = opcode::AsyncCancel::new(tag.to_user_data())
            .build()
            .flags(Flags::SKIP_SUCCESS);
        let operation = Operation::Cancel;
        let index = tag.index;
        // SAFETY: names neither a descriptor nor memory.
        unsafe { self.push(entry, Tag { operation, index }) };
    }

    /// Submits what was pushed, sleeps until something has completed or `timeout` has passed (`None`: no limit,
    /// zero: does not sleep), and has the kernel do its deferred work.
    pub(crate) fn enter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let result = self.submit_backlog().and_then(|()| self.wait(timeout));
        match result.as_ref().map_err(io::Error::raw_os_error) {
            // A signal, the time-out, or no memory for more before some completions have been taken.
            Err(Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN)) => Ok(()),
            _ => result,
        }
    }

    /// Whether the kernel has taken everything that was pushed, and `completions` brings all that has completed.
    pub(crate) fn is_up_to_date(&mut self) -> bool {
        let queue = self.ring.submission();
        self.backlog.is_empty() && queue.is_empty() && !queue.cq_overflow()
    }

    /// What has completed since the last call.
    #[inline]
    pub(crate) fn completions(&mut self) -> impl Iterator<Item = Completion> {
        self.ring.completion().map(|entry| Completion {
            tag: Tag::from_user_data(entry.user_data()),
            result: entry.result(),
            more: cqueue::more(entry.flags()),
            buffer: cqueue::buffer_select(entry.flags()),
        })
    }

    /// Cancels all operations and waits for the kernel to do so, up to `timeout`. Their completions follow.
    pub(crate) fn cancel_all(&mut self, timeout: Duration) {
        // What is not submitted yet never will be.
        self.backlog.clear();
        let timeout = Some(Timespec::from(timeout));
        // Whether it has worked shows in the completions.
        let _ = self
            .ring
            .submitter()
            .register_sync_cancel(timeout, CancelBuilder::any().all());
    }

    /// Submits in several steps what does not fit into the queue at once, up to the last that does.
    fn submit_backlog(&mut self) -> io::Result<()> {
        while !self.backlog.is_empty() {
            self.call(0, EnterFlags::empty(), None)?;
            let mut queue = self.ring.submission();
            while let Some(entry) = self.backlog.front() {
                // SAFETY: promised to `push`.
                if unsafe { queue.push(entry) }.is_err() {
                    break;
                }
                self.backlog.pop_front();
            }
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            None => self.call(1, self.wait_flags, None),
            Some(Duration::ZERO) => self.call(0, self.wait_flags, None),
            Some(timeout) => self.call(1, self.wait_flags, Some(timeout)),
        }
    }

    fn call(
        &mut self,
        completions_min: u32,
        flags: EnterFlags,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let submissions = self.ring.submission().len() as u32;
        let submitter = self.ring.submitter();
        if let Some(timeout) = timeout {
            let timespec = Timespec::from(timeout);
            let arguments = SubmitArgs::new().timespec(&timespec);
            let flags = flags | EnterFlags::EXT_ARG;
            // SAFETY: the arguments are of the type that EXT_ARG announces; the pushed entries are valid.
            unsafe {
                submitter.enter(submissions, completions_min, flags.bits(), Some(&arguments))
            }?;
        } else {
            // SAFETY: no arguments; the pushed entries are valid.
            unsafe { submitter.enter::<()>(submissions, completions_min, flags.bits(), None) }?;
        }
        Ok(())
    }
}
