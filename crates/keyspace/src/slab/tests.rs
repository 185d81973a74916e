#![allow(unsafe_code)]
//! The slabs against a model, with several workers, and what they cost.

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::class::{CLASSES, MAGAZINE_OBJECTS_MAX, SHAPES, class_of};
use super::page::HEADER_BYTES;
use super::pool::{FREE_RESIDENT_PAGES_MIN, PAGE_BYTES};
use super::{HugePages, Magazines, SlabStats, Slabs};

/// What bucket arrays ask for, in cache lines.
const ARRAY_LINES: [usize; 35] = [
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 31, 34, 36, 39, 42, 46, 51, 56,
    63, 68, 73, 78, 85, 93, 102, 113, 127,
];

fn words(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).expect("a layout")
}

fn lines(count: usize) -> Layout {
    Layout::from_size_align(count * 64, 64).expect("a layout")
}

/// An allocation that knows its content.
struct Object {
    start: NonNull<u8>,
    layout: Layout,
    fill: u8,
}

// SAFETY: an allocation belongs to whoever has it.
unsafe impl Send for Object {}

impl Object {
    fn new(magazines: &mut Magazines, layout: Layout, fill: u8) -> Self {
        let start = magazines.allocate(layout);
        assert_eq!(start.addr().get() % layout.align(), 0);
        // SAFETY: the memory is ours and has the layout's size.
        unsafe { start.write_bytes(fill, layout.size()) };
        Self {
            start,
            layout,
            fill,
        }
    }

    fn free(self, magazines: &mut Magazines) {
        // SAFETY: the memory is ours and was filled.
        let bytes = unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.layout.size()) };
        assert!(bytes.iter().all(|byte| *byte == self.fill));
        // SAFETY: allocated with this layout, and this object ends here.
        unsafe { magazines.free(self.start, self.layout) };
    }
}

#[track_caller]
fn check_empty(slabs: &Slabs) {
    let stats = slabs.stats();
    assert_eq!((stats.used_bytes, stats.page_bytes), (0, 0), "{stats:?}");
    assert!(stats.chunks <= 1, "{stats:?}");
    assert_eq!(stats.free_page_bytes, stats.mapped_bytes, "{stats:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Allocate {
        worker: usize,
        layout: Layout,
        count: usize,
    },
    Free {
        worker: usize,
        number: usize,
        count: usize,
    },
    Flush {
        worker: usize,
    },
}

const WORKERS: usize = 3;

fn any_layout() -> impl Strategy<Value = Layout> {
    prop_oneof![
        6 => (1..=128_usize).prop_map(words),
        2 => (1..=1100_usize).prop_map(words),
        3 => (0..ARRAY_LINES.len()).prop_map(|index| lines(ARRAY_LINES[index])),
        1 => (1..=130_usize).prop_map(lines),
        1 => Just(Layout::new::<u128>()),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..WORKERS, any_layout(), 1..200_usize)
            .prop_map(|(worker, layout, count)| Step::Allocate { worker, layout, count }),
        5 => (0..WORKERS, any::<usize>(), 1..200_usize)
            .prop_map(|(worker, number, count)| Step::Free { worker, number, count }),
        1 => (0..WORKERS).prop_map(|worker| Step::Flush { worker }),
    ]
}

/// The live objects by address.
#[derive(Default)]
struct Model(BTreeMap<usize, Object>);

impl Model {
    fn insert(&mut self, object: Object) {
        let start = object.start.addr().get();
        let end = start + object.layout.size();
        if let Some((address, other)) = self.0.range(..end).next_back() {
            assert!(address + other.layout.size() <= start, "objects overlap");
        }
        self.0.insert(start, object);
    }

    /// Removes the object at the number, or the next one after an address derived from it.
    fn remove(&mut self, number: usize) -> Option<Object> {
        let (&first, _) = self.0.first_key_value()?;
        let (&last, _) = self.0.last_key_value()?;
        let from = first + number % (last - first + 1);
        let (&address, _) = self.0.range(from..).next()?;
        self.0.remove(&address)
    }
}

fn run(steps: Vec<Step>) {
    let slabs = Slabs::new(HugePages::No);
    let mut workers: Vec<_> = (0..WORKERS)
        .map(|_| Magazines::new(Arc::clone(&slabs)))
        .collect();
    let mut model = Model::default();
    let mut fill = 0_u8;
    for step in steps {
        match step {
            Step::Allocate {
                worker,
                layout,
                count,
            } => {
                for _ in 0..count {
                    fill = fill.wrapping_add(1);
                    model.insert(Object::new(&mut workers[worker], layout, fill));
                }
            }
            Step::Free {
                worker,
                number,
                count,
            } => {
                for index in 0..count {
                    let number = number.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    if let Some(object) = model.remove(number) {
                        object.free(&mut workers[worker]);
                    }
                }
            }
            Step::Flush { worker } => {
                workers[worker].flush();
                workers[worker].give_pages_back(1);
            }
        }
        check_used(&slabs, &model);
    }
    for (index, (_, object)) in std::mem::take(&mut model.0).into_iter().enumerate() {
        object.free(&mut workers[index % WORKERS]);
    }
    drop(workers);
    check_empty(&slabs);
}

/// What is used is the live objects, and at most full magazines.
fn check_used(slabs: &Slabs, model: &Model) {
    if cfg!(slab_passthrough) {
        return;
    }
    let mut live = BTreeMap::<usize, usize>::new();
    for object in model.0.values() {
        if let Some(class) = class_of(object.layout) {
            *live.entry(SHAPES[class].object_bytes).or_default() += 1;
        }
    }
    let mut used = BTreeMap::<usize, usize>::new();
    for class in slabs.class_stats() {
        assert!(class.objects_used <= class.objects_capacity, "{class:?}");
        *used.entry(class.object_bytes).or_default() += class.objects_used;
    }
    for (object_bytes, used) in used {
        let live = live.remove(&object_bytes).unwrap_or(0);
        // Three classes have the smallest objects.
        let idle_max = 3 * WORKERS * MAGAZINE_OBJECTS_MAX;
        assert!(
            (live..=live + idle_max).contains(&used),
            "{object_bytes} bytes: {live} live, {used} used"
        );
    }
    assert!(live.is_empty(), "classes without pages: {live:?}");
}

proptest! {
    #![proptest_config(Config { cases: 64, ..Config::default() })]

    #[test]
    fn objects_are_apart_and_stay_as_they_are(steps in proptest::collection::vec(any_step(), 1..60)) {
        run(steps);
    }
}

#[test]
fn objects_fit_behind_the_bitmap_in_every_class() {
    for shape in SHAPES {
        let bitmap_end = HEADER_BYTES + shape.bitmap_words() * 8;
        assert!(bitmap_end <= shape.first_offset());
        assert!(shape.bitmap_words() * 64 >= shape.objects);
        assert_eq!(
            shape.first_offset() + shape.objects * shape.object_bytes,
            PAGE_BYTES
        );
    }
    assert_eq!(SHAPES[88 / 8].objects, 743);
    assert_eq!(SHAPES[CLASSES - 1].objects, 4);
}

#[test]
fn layouts_get_classes_of_their_size() {
    if cfg!(slab_passthrough) {
        return;
    }
    for bytes in 1..=1024_usize {
        let class = class_of(words(bytes)).expect("a class");
        let expected = bytes.next_multiple_of(8).max(16);
        assert_eq!(SHAPES[class].object_bytes, expected, "{bytes} bytes");
    }
    for count in ARRAY_LINES {
        let class = class_of(lines(count)).expect("a class");
        assert_eq!(SHAPES[class].object_bytes, count * 64, "{count} lines");
        assert_eq!(SHAPES[class].first_offset() % 64, 0);
    }
    for count in 0..=255 {
        let shape = SHAPES[class_of(lines(count)).expect("a class")];
        assert!(shape.object_bytes >= count * 64);
        assert_eq!(shape.object_bytes % 64, 0);
    }
    let aligned = Layout::from_size_align(64, 128).expect("a layout");
    for layout in [words(16_321), lines(256), aligned] {
        assert_eq!(class_of(layout), None, "{layout:?}");
    }
}

#[test]
#[cfg_attr(slab_passthrough, ignore)]
fn small_objects_cost_little_more_than_their_size() {
    let slabs = Slabs::new(HugePages::Yes);
    let mut magazines = Magazines::new(Arc::clone(&slabs));
    let objects: Vec<_> = (0..100_000)
        .map(|index| Object::new(&mut magazines, words(88), index as u8))
        .collect();
    let bytes = 88 * objects.len();
    let stats = slabs.stats();
    assert!(stats.page_bytes * 1000 <= bytes * 1006, "{stats:?}");
    assert!(
        stats.used_bytes - bytes < MAGAZINE_OBJECTS_MAX * 88,
        "{stats:?}"
    );
    for object in objects {
        object.free(&mut magazines);
    }
    magazines.flush();
    magazines.give_pages_back(usize::MAX);
    check_empty(&slabs);
}

#[test]
#[cfg_attr(slab_passthrough, ignore)]
fn objects_of_a_new_page_come_in_the_order_of_addresses() {
    let mut magazines = Magazines::new(Slabs::new(HugePages::No));
    let starts: Vec<_> = (0..700).map(|_| magazines.allocate(words(88))).collect();
    assert!(starts.is_sorted());
    for start in starts {
        // SAFETY: allocated above.
        unsafe { magazines.free(start, words(88)) };
    }
}

#[test]
#[cfg_attr(slab_passthrough, ignore)]
fn free_pages_lose_their_memory_and_serve_other_classes() {
    let slabs = Slabs::new(HugePages::No);
    let mut magazines = Magazines::new(Arc::clone(&slabs));
    let objects: Vec<_> = (0..8 * 256)
        .map(|index| Object::new(&mut magazines, lines(127), index as u8))
        .collect();
    let full = slabs.stats();
    assert_eq!(full.chunks, 8, "{full:?}");
    let (kept, freed): (Vec<_>, Vec<_>) = objects
        .into_iter()
        .enumerate()
        .partition(|(index, _)| index % 256 == 0);
    for (_, object) in freed {
        object.free(&mut magazines);
    }
    magazines.flush();
    magazines.give_pages_back(usize::MAX);
    let sparse = slabs.stats();
    let resident = sparse.free_page_bytes - sparse.released_bytes;
    assert_eq!(
        (sparse.chunks, sparse.page_bytes),
        (8, 8 * PAGE_BYTES),
        "{sparse:?}"
    );
    assert_eq!(resident, FREE_RESIDENT_PAGES_MIN * PAGE_BYTES, "{sparse:?}");

    let others: Vec<_> = (0..200 * 63)
        .map(|index| Object::new(&mut magazines, words(1024), index as u8))
        .collect();
    let reused = slabs.stats();
    assert_eq!(reused.chunks, 8, "{reused:?}");
    assert!(reused.page_bytes > 200 * PAGE_BYTES, "{reused:?}");
    for object in kept.into_iter().map(|(_, object)| object).chain(others) {
        object.free(&mut magazines);
    }
    magazines.flush();
    magazines.give_pages_back(usize::MAX);
    check_empty(&slabs);
}

#[test]
#[cfg_attr(slab_passthrough, ignore)]
fn zeroed_memory_is_zeroed_after_use() {
    let slabs = Slabs::new(HugePages::No);
    let mut magazines = Magazines::new(Arc::clone(&slabs));
    Object::new(&mut magazines, lines(32), 0xff).free(&mut magazines);
    let start = magazines.allocate_zeroed(lines(32));
    // SAFETY: the memory is ours, has this size and is initialised.
    let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), 2048) };
    assert!(bytes.iter().all(|byte| *byte == 0));
    // SAFETY: allocated above.
    unsafe { magazines.free(start, lines(32)) };
    drop(magazines);
    let stats = slabs.stats();
    let expected = SlabStats {
        chunks: 1,
        mapped_bytes: 2 << 20,
        free_page_bytes: 2 << 20,
        released_bytes: (2 << 20) - PAGE_BYTES,
        ..SlabStats::default()
    };
    assert_eq!(stats, expected);
}

/// Allocates, sends to the neighbour, and frees what the other neighbour has sent.
fn pass_on(slabs: Arc<Slabs>, worker: usize, to: &Sender<Object>, from: &Receiver<Object>) {
    let mut magazines = Magazines::new(slabs);
    let mut random = worker as u64 + 1;
    for _ in 0..40_000 {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let choice = (random >> 33) as usize;
        let layout = match choice % 16 {
            0 => lines(ARRAY_LINES[choice / 16 % ARRAY_LINES.len()]),
            _ => words(8 + choice / 16 % 200),
        };
        let object = Object::new(&mut magazines, layout, random as u8);
        to.send(object).expect("the neighbour waits for all");
        // What comes late is freed after the loop, so the number of live objects goes up and down.
        for object in from.try_iter().take(choice % 4) {
            object.free(&mut magazines);
        }
    }
}

#[test]
fn workers_free_what_others_have_allocated() {
    const THREADS: usize = 4;
    let slabs = Slabs::new(HugePages::No);
    let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel()).unzip();
    receivers.rotate_left(1);
    let ends = senders.into_iter().zip(receivers);
    let threads: Vec<_> = ends
        .enumerate()
        .map(|(worker, (to, from))| {
            let slabs = Arc::clone(&slabs);
            thread::spawn(move || {
                pass_on(Arc::clone(&slabs), worker, &to, &from);
                drop(to);
                let mut magazines = Magazines::new(slabs);
                for object in from {
                    object.free(&mut magazines);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no worker fails");
    }
    check_empty(&slabs);
}

#[test]
#[cfg_attr(slab_passthrough, ignore)]
fn idle_magazines_are_given_back() {
    let slabs = Slabs::new(HugePages::No);
    let mut magazines = Magazines::new(Arc::clone(&slabs));
    let layout = Layout::from_size_align(4096, 64).expect("valid");
    let start = magazines.allocate(layout);
    // SAFETY: allocated with this layout, freed once.
    unsafe { magazines.free(start, layout) };
    magazines.give_idle_back();
    assert!(slabs.stats().page_bytes > 0, "used since the last call");
    magazines.give_idle_back();
    assert!(!magazines.give_pages_back(1), "it was the only page");
    assert_eq!(slabs.stats().page_bytes, 0);
}

#[test]
#[cfg_attr(slab_passthrough, ignore)]
fn the_spare_chunk_goes_when_nothing_needs_it() {
    let slabs = Slabs::new(HugePages::No);
    let mut magazines = Magazines::new(Arc::clone(&slabs));
    let object = Object::new(&mut magazines, words(64), 1);
    object.free(&mut magazines);
    magazines.flush();
    magazines.give_pages_back(usize::MAX);
    assert_eq!(slabs.stats().chunks, 1);
    slabs.give_idle_spare_back();
    assert_eq!(slabs.stats().chunks, 1, "a page was taken just before");
    slabs.give_idle_spare_back();
    assert_eq!(slabs.stats(), SlabStats::default());
    let object = Object::new(&mut magazines, words(64), 2);
    object.free(&mut magazines);
}
