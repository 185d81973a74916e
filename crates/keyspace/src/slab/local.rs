#![allow(unsafe_code)]
//! Magazines of each thread, for objects that are allocated and freed wherever somebody has hold of them: the elements
//! of collections.
//!
//! They have slabs of their own, one for the process, so that whoever empties pages of entries meets entries alone.

use std::alloc::Layout;
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use super::{HugePages, Magazines, SlabStats, Slabs};

static SLABS: OnceLock<Arc<Slabs>> = OnceLock::new();

thread_local! {
    /// From the first object on.
    static MAGAZINES: RefCell<Option<Magazines>> = const { RefCell::new(None) };
}

fn magazines() -> Magazines {
    let slabs = SLABS.get_or_init(|| Slabs::new(HugePages::No));
    Magazines::new(Arc::clone(slabs))
}

/// Says whether chunks ask for huge pages, unless there are some already.
pub(crate) fn set_huge_pages(huge_pages: HugePages) {
    SLABS.get_or_init(|| Slabs::new(huge_pages));
}

/// How much memory the objects of all threads have.
pub(crate) fn stats() -> SlabStats {
    SLABS.get().map(|slabs| slabs.stats()).unwrap_or_default()
}

/// See [`Slabs::give_idle_spare_back`].
pub(crate) fn give_idle_spare_back() {
    if let Some(slabs) = SLABS.get() {
        slabs.give_idle_spare_back();
    }
}

/// Has `work` use the thread's magazines; others when the thread ends and its own are gone.
#[inline]
fn with<R>(work: impl Fn(&mut Magazines) -> R) -> R {
    let used = MAGAZINES.try_with(|own| {
        let mut own = own.borrow_mut();
        work(own.get_or_insert_with(magazines))
    });
    used.unwrap_or_else(|_| work(&mut magazines()))
}

/// Has `work` use the thread's magazines if it has any.
fn with_own<R: Default>(work: impl FnOnce(&mut Magazines) -> R) -> R {
    let used = MAGAZINES.try_with(|own| own.borrow_mut().as_mut().map(work));
    used.ok().flatten().unwrap_or_default()
}

/// See [`Magazines::allocate`].
#[inline]
pub(crate) fn allocate(layout: Layout) -> NonNull<u8> {
    with(|magazines| magazines.allocate(layout))
}

/// Takes memory back.
///
/// # Safety
/// The memory comes from [`allocate`], on any thread, with this layout, has not been freed since, and nobody uses it any
/// more.
#[inline]
pub(crate) unsafe fn free(start: NonNull<u8>, layout: Layout) {
    // SAFETY: as the caller promises; there is one `Slabs` for all threads.
    with(|magazines| unsafe { magazines.free(start, layout) });
}

/// See [`Magazines::give_idle_back`]; the bytes that are kept after that.
pub(crate) fn give_idle_back() -> usize {
    with_own(|magazines| {
        magazines.give_idle_back();
        magazines.kept_bytes()
    })
}

/// See [`Magazines::give_pages_back`].
pub(crate) fn give_pages_back(pages_max: usize) -> bool {
    with_own(|magazines| magazines.give_pages_back(pages_max))
}

#[cfg(test)]
mod tests {
    use std::alloc::Layout;
    use std::ptr::NonNull;

    use super::{allocate, free, give_idle_back};

    const LAYOUT: Layout = Layout::new::<[u64; 5]>();

    #[test]
    fn what_one_thread_allocates_another_may_free() {
        let allocate_all = || -> Vec<usize> {
            let fill = |value: u8| {
                let start = allocate(LAYOUT);
                // SAFETY: the memory is ours and has this size.
                unsafe { start.write_bytes(value, LAYOUT.size()) };
                start.expose_provenance().get()
            };
            (0..200).map(fill).collect()
        };
        let addresses = std::thread::spawn(allocate_all).join().expect("it ends");
        for (value, address) in addresses.into_iter().enumerate() {
            let start = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(address));
            let start = start.expect("it is no null");
            // SAFETY: it was allocated and filled by the other thread, which has ended, and is freed once.
            unsafe {
                assert_eq!(start.add(LAYOUT.size() - 1).read(), value as u8);
                free(start, LAYOUT);
            }
        }
        give_idle_back();
        assert_eq!(give_idle_back(), 0);
    }
}
