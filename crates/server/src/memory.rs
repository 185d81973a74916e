#![allow(unsafe_code)]
//! The allocator, and what it and the system tell of themselves, of memory and of CPU time.

use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::LazyLock;

use commands::shared::{AllocatorBytes, Facts};
use keyspace::{HugePages, SlabStats};
use tikv_jemalloc_ctl::{background_thread, epoch, raw, stats, version};
use tracing::warn;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The `<all arenas>` index of jemalloc's `arena.<i>.purge`.
const PURGE_ALL: &CStr = c"arena.4096.purge";
const NEXT_ARENAS_DECAY: &[u8] = b"arenas.dirty_decay_ms\0";
const FIRST_ARENA_DECAY: &[u8] = b"arena.0.dirty_decay_ms\0";
/// How long the allocator keeps unused memory, in milliseconds. Its own 10 seconds are many bytes when large values make
/// way for small ones: what is held counts for the memory limit.
const DECAY_MS: isize = 1000;
const FLUSH_THREAD_CACHE: &CStr = c"thread.tcache.flush";

/// Statistics of the allocators, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocators {
    /// What everything but entries and tables comes from.
    pub jemalloc: AllocatorBytes,
    /// The slabs.
    pub slabs: AllocatorBytes,
    /// What jemalloc needs for itself: part of what is resident, and not of what is active.
    pub metadata_bytes: u64,
    /// Mapped but given back to the system.
    pub retained_bytes: u64,
}

impl Allocators {
    /// Both together.
    pub fn sum(&self) -> AllocatorBytes {
        let Self {
            jemalloc, slabs, ..
        } = self;
        AllocatorBytes {
            allocated_bytes: jemalloc.allocated_bytes + slabs.allocated_bytes,
            active_bytes: jemalloc.active_bytes + slabs.active_bytes,
            resident_bytes: jemalloc.resident_bytes + slabs.resident_bytes,
        }
    }
}

/// Reads the allocator's statistics as of now, and adds the slabs'.
pub fn allocators(slabs: SlabStats) -> Allocators {
    // A statistic that cannot be read counts as 0; the names are those of the linked version.
    let _ = epoch::advance();
    let bytes = |read: Result<usize, tikv_jemalloc_ctl::Error>| read.unwrap_or(0) as u64;
    Allocators {
        jemalloc: AllocatorBytes {
            allocated_bytes: bytes(stats::allocated::read()),
            active_bytes: bytes(stats::active::read()),
            resident_bytes: bytes(stats::resident::read()),
        },
        slabs: AllocatorBytes {
            allocated_bytes: slabs.used_bytes as u64,
            active_bytes: slabs.page_bytes as u64,
            resident_bytes: (slabs.mapped_bytes - slabs.released_bytes) as u64,
        },
        metadata_bytes: bytes(stats::metadata::read()),
        retained_bytes: bytes(stats::retained::read()),
    }
}

/// Has the allocator give unused memory back soon, on threads of its own instead of in the way of those that allocate,
/// unless `MALLOC_CONF` decides about that.
pub fn purge_in_background() {
    let conf = std::env::var("MALLOC_CONF").unwrap_or_default();
    if !conf.contains("dirty_decay_ms:") {
        set_decay();
    }
    if conf.contains("background_thread:") {
        return;
    }
    if let Err(error) = background_thread::write(true) {
        warn!(%error, "the allocator has no background threads");
    }
}

/// Says how soon: of the arenas to come, and of the one that this thread has.
fn set_decay() {
    for name in [NEXT_ARENAS_DECAY, FIRST_ARENA_DECAY] {
        // SAFETY: jemalloc reads an `ssize_t` with this name.
        if let Err(error) = unsafe { raw::write(name, DECAY_MS) } {
            warn!(%error, "the allocator keeps unused memory for longer");
        }
    }
}

/// What the allocator keeps for later, in bytes: resident, and neither in a page that has allocations nor its own.
pub fn held_bytes() -> u64 {
    let Allocators {
        jemalloc,
        metadata_bytes,
        ..
    } = allocators(SlabStats::default());
    jemalloc
        .resident_bytes
        .saturating_sub(jemalloc.active_bytes + metadata_bytes)
}

/// Gives unused memory back to the system.
pub fn purge() {
    // SAFETY: a control without input or output; the name ends with 0.
    unsafe {
        tikv_jemalloc_sys::mallctl(PURGE_ALL.as_ptr(), null_mut(), null_mut(), null_mut(), 0);
    }
}

/// Gives back what the allocator keeps for this thread.
pub fn flush_thread_cache() {
    // SAFETY: a control without input or output; the name ends with 0.
    unsafe {
        tikv_jemalloc_sys::mallctl(
            FLUSH_THREAD_CACHE.as_ptr(),
            null_mut(),
            null_mut(),
            null_mut(),
            0,
        );
    }
}

/// Whether the slabs ask for huge pages: unless jemalloc is told not to, with `thp:never` in `MALLOC_CONF`.
pub fn huge_pages() -> HugePages {
    let conf = std::env::var("MALLOC_CONF").unwrap_or_default();
    if conf.split(',').any(|option| option.trim() == "thp:never") {
        HugePages::No
    } else {
        HugePages::Yes
    }
}

/// What was true when the process was ready to serve.
pub struct AtStart {
    allocated_bytes: u64,
    /// Resident memory that the allocators know nothing of, without that of files.
    private_bytes: u64,
    /// What the allocator took for resident and was not: it had been handed out, and nobody had touched it.
    untouched_bytes: u64,
}

impl AtStart {
    /// Takes the numbers.
    pub fn new(allocators: &Allocators) -> Self {
        let allocators = allocators.sum();
        let private_bytes = resident_bytes().saturating_sub(file_bytes());
        Self {
            allocated_bytes: allocators.allocated_bytes,
            private_bytes: private_bytes.saturating_sub(allocators.resident_bytes),
            untouched_bytes: allocators.resident_bytes.saturating_sub(private_bytes),
        }
    }
}

/// Fills in the system, memory and CPU time.
pub fn fill(facts: &mut Facts, allocators: Allocators, start: Option<&AtStart>) {
    facts.os = SYSTEM_NAME.clone();
    facts.allocator = &ALLOCATOR_NAME;
    facts.jemalloc = allocators.jemalloc;
    facts.slabs = allocators.slabs;
    let AllocatorBytes {
        allocated_bytes,
        active_bytes,
        resident_bytes,
    } = allocators.sum();
    facts.allocated_bytes = allocated_bytes;
    facts.allocated_bytes_at_start = start.map_or(0, |start| start.allocated_bytes);
    facts.program_bytes = start.map_or(0, |start| start.private_bytes) + file_bytes();
    facts.untouched_bytes_at_start = start.map_or(0, |start| start.untouched_bytes);
    facts.allocated_bytes_peak = facts.allocated_bytes_peak.max(allocated_bytes);
    facts.active_bytes = active_bytes;
    facts.allocator_resident_bytes = resident_bytes;
    facts.allocator_metadata_bytes = allocators.metadata_bytes;
    facts.retained_bytes = allocators.retained_bytes;
    facts.resident_bytes = process_resident_bytes().unwrap_or(resident_bytes);
    facts.system_memory_bytes = *SYSTEM_MEMORY_BYTES;
    fill_cpu_time(facts);
}

/// `jemalloc-5.3.0`.
static ALLOCATOR_NAME: LazyLock<String> = LazyLock::new(|| {
    let text = version::read().unwrap_or("unknown");
    let number = text.split('-').next().unwrap_or(text);
    format!("jemalloc-{number}")
});

/// The operating system, its release if it tells, and the machine.
static SYSTEM_NAME: LazyLock<String> = LazyLock::new(|| {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "Darwin",
        other => other,
    };
    let parts = [system, release.trim(), std::env::consts::ARCH];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
});

/// Physical memory; it does not change.
static SYSTEM_MEMORY_BYTES: LazyLock<u64> = LazyLock::new(|| {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
});

/// Resident memory of the process; what the allocator and the slabs have where the system does not tell.
pub fn resident_bytes() -> u64 {
    process_resident_bytes()
        .unwrap_or_else(|| allocators(SlabStats::default()).sum().resident_bytes)
}

fn process_resident_bytes() -> Option<u64> {
    statm_bytes(1)
}

/// What of that belongs to files, the program's text above all: it grows as code is used.
fn file_bytes() -> u64 {
    statm_bytes(2).unwrap_or(0)
}

fn statm_bytes(field: usize) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(field)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// CPU time so far, of the process and of its workers' threads, from the kernel's clock ticks.
fn fill_cpu_time(facts: &mut Facts) {
    if let Some((user, system)) = cpu_seconds("/proc/self/stat") {
        facts.cpu_user_seconds = user;
        facts.cpu_system_seconds = system;
    }
    if let Some((user, system)) = cpu_seconds("/proc/thread-self/stat") {
        facts.cpu_user_main_seconds = user;
        facts.cpu_system_main_seconds = system;
    }
}

/// The 14th and 15th field of a `stat` file, in seconds.
fn cpu_seconds(path: &str) -> Option<(f64, f64)> {
    let text = std::fs::read_to_string(path).ok()?;
    // The second field is a name in parentheses that may hold anything.
    let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ').skip(11);
    let mut seconds = || {
        let ticks: f64 = fields.next()?.parse().ok()?;
        Some(ticks / rustix::param::clock_ticks_per_second() as f64)
    };
    Some((seconds()?, seconds()?))
}
