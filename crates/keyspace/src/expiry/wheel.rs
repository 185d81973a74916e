//! The index of one shard's deadlines: a wheel of drawers with records.

use super::place::{Drawer, Place, WhichWheel};
use super::records::{Batch, Records};
use crate::slab::Magazines;

/// The records of a shard, by their tick. Drawers that are empty take no room.
///
/// When too many records are of entries that are gone, a new wheel takes over and the old one is emptied into it.
pub(crate) struct Wheel {
    /// No record is of an earlier tick, unless its drawer is being emptied.
    current: u64,
    /// The drawers that have records.
    occupied: u128,
    /// Those drawers' records, in order.
    drawers: Vec<Records>,
    /// The drawer from which records were taken last. While what they stand for is filed again, the current tick must
    /// stay: this drawer cannot be where they go then.
    emptied: Option<Drawer>,
    which: WhichWheel,
    old: Option<Box<Wheel>>,
}

fn bit(drawer: Drawer) -> u128 {
    1 << drawer.0
}

/// Drawers that a wheel gets more room for at a time.
const DRAWERS_MORE: usize = 4;

impl Wheel {
    pub fn new(which: WhichWheel) -> Self {
        Self {
            current: 0,
            occupied: 0,
            drawers: Vec::new(),
            emptied: None,
            which,
            old: None,
        }
    }

    /// Bytes of the wheel itself, without its records' chunks.
    pub fn own_bytes(&self) -> usize {
        let old = self.old.as_ref().map_or(0, |old| old.own_bytes());
        size_of::<Self>() + self.drawers.capacity() * size_of::<Records>() + old
    }

    fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// Whether there is no record, nor an old wheel.
    pub fn is_done(&self) -> bool {
        self.is_empty() && self.old.is_none()
    }

    /// The first drawer of those that stand for ticks.
    fn first(&self) -> Option<Drawer> {
        let occupied = self.occupied & !bit(Drawer::AGAIN);
        (occupied != 0).then(|| Drawer(occupied.trailing_zeros() as u8))
    }

    fn has(&self, drawer: Drawer) -> bool {
        self.occupied & bit(drawer) != 0
    }

    /// Whether the drawer from which records were taken last has more.
    fn is_emptying(&self) -> bool {
        self.emptied.is_some_and(|drawer| self.has(drawer))
    }

    fn index(&self, drawer: Drawer) -> usize {
        (self.occupied & (bit(drawer) - 1)).count_ones() as usize
    }

    /// The tick with which something is to be done next; None when there is nothing.
    pub fn due_tick(&self) -> Option<u64> {
        if self.old.is_some() || self.is_emptying() || self.has(Drawer::AGAIN) {
            return Some(0);
        }
        self.first().map(|first| first.due_tick(self.current))
    }

    /// Whether the record in `place` comes up no later than it must for a deadline in this tick.
    pub fn is_in_time(&self, place: Place, tick: u64) -> bool {
        match place.get() {
            None => false,
            // It will soon be moved.
            Some((_, which)) if which != self.which => true,
            Some((Drawer::AGAIN, _)) => true,
            Some((drawer, _)) => drawer.first_tick(self.current) <= tick,
        }
    }

    /// Files a record under a tick. `now_tick` may be late. Where it is now, and how many bytes that has taken.
    pub fn file(
        &mut self,
        record: u32,
        tick: u64,
        now_tick: u64,
        magazines: &mut Magazines,
    ) -> (Place, usize) {
        self.move_on(now_tick);
        let drawer = Drawer::of(tick.max(self.current), self.current);
        self.put(record, drawer, magazines)
    }

    /// Files a record such that it comes up again when nothing else is due. As for [`Wheel::file`].
    pub fn file_again(&mut self, record: u32, magazines: &mut Magazines) -> (Place, usize) {
        self.put(record, Drawer::AGAIN, magazines)
    }

    fn put(&mut self, record: u32, drawer: Drawer, magazines: &mut Magazines) -> (Place, usize) {
        let at = self.index(drawer);
        let mut taken = 0;
        if !self.has(drawer) {
            if self.drawers.len() == self.drawers.capacity() {
                let before = self.own_bytes();
                self.drawers.reserve_exact(DRAWERS_MORE);
                taken = self.own_bytes() - before;
            }
            self.drawers.insert(at, Records::default());
            self.occupied |= bit(drawer);
        }
        taken += self.drawers[at].push(record, magazines);
        (Place::new(drawer, self.which), taken)
    }

    /// Brings the current tick near now, as far as all records stay where they are.
    fn move_on(&mut self, now_tick: u64) {
        if self.emptied.is_some() {
            return;
        }
        let max = self
            .first()
            .map_or(u64::MAX, |first| first.current_max(self.current));
        self.current = self.current.max(now_tick.min(max));
    }

    /// Takes some records that are due out; from which place, and how many bytes that has given back.
    pub fn take_due(
        &mut self,
        now_tick: u64,
        batch: &mut Batch,
        magazines: &mut Magazines,
    ) -> Option<(Place, usize)> {
        if let Some(old) = &mut self.old
            && let Some((place, mut given)) = old.take_due(u64::MAX, batch, magazines)
        {
            if old.is_empty() {
                given += old.own_bytes();
                self.old = None;
            }
            return Some((place, given));
        }
        let drawer = self.due_drawer(now_tick)?;
        let at = self.index(drawer);
        let given = self.drawers[at].pop(batch, magazines);
        if self.drawers[at].is_empty() {
            self.drawers.remove(at);
            self.occupied &= !bit(drawer);
        }
        Some((Place::new(drawer, self.which), given))
    }

    /// The drawer from which records are to be taken.
    fn due_drawer(&mut self, now_tick: u64) -> Option<Drawer> {
        if self.is_emptying() {
            return self.emptied;
        }
        let drawer = self.first();
        self.emptied = drawer.filter(|drawer| drawer.due_tick(self.current) <= now_tick);
        let Some(drawer) = self.emptied else {
            return self.has(Drawer::AGAIN).then_some(Drawer::AGAIN);
        };
        self.current = self.current.max(drawer.first_tick(self.current));
        self.emptied
    }

    /// Whether the records of an old wheel are being moved.
    pub fn is_being_renewed(&self) -> bool {
        self.old.is_some()
    }

    /// Begins to move all records to a new wheel; those that no entry knows any more are lost on the way.
    pub fn renew(&mut self) {
        debug_assert!(!self.is_empty() && self.old.is_none(), "asked for before");
        let mut new = Self::new(self.which.other());
        new.current = self.current;
        let old = std::mem::replace(self, new);
        self.old = Some(Box::new(old));
    }

    /// Gives the memory of all records back; how many bytes.
    pub fn clear(&mut self, magazines: &mut Magazines) -> usize {
        let old = self.old.take();
        let given = old.map_or(0, |mut old| old.clear(magazines));
        self.occupied = 0;
        self.emptied = None;
        let clear = |mut records: Records| records.clear(magazines);
        given + self.drawers.drain(..).map(clear).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{Batch, Place, Wheel, WhichWheel};
    use crate::slab::{HugePages, Magazines, Slabs};

    #[derive(Clone, Debug)]
    enum Step {
        File { record: u32, ahead: u64 },
        Again { record: u32 },
        Pass { ticks: u64 },
        TakeOne,
        Renew,
    }

    fn ahead() -> impl Strategy<Value = u64> {
        prop_oneof![0..20u64, 0..5_000u64, 0..1u64 << 40]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            10 => (any::<u32>(), ahead()).prop_map(|(record, ahead)| Step::File { record, ahead }),
            1 => any::<u32>().prop_map(|record| Step::Again { record }),
            4 => ahead().prop_map(|ticks| Step::Pass { ticks: ticks % 100_000 }),
            6 => proptest::strategy::Just(Step::TakeOne),
            1 => proptest::strategy::Just(Step::Renew),
        ]
    }

    /// Each record's tick and the place where its entry would say that it is.
    #[derive(Default)]
    struct Model(BTreeMap<u32, (u64, Place)>);

    proptest! {
        #[test]
        fn every_record_comes_up_with_its_tick(steps in proptest::collection::vec(step(), 0..400)) {
            let mut magazines = Magazines::new(Slabs::new(HugePages::No));
            let mut wheel = Wheel::new(WhichWheel::First);
            let mut batch = Batch::new();
            let mut model = Model::default();
            let (mut now, mut bytes) = (1_000_000u64, wheel.own_bytes());
            for step in steps.into_iter().chain([Step::Pass { ticks: 1 << 41 }]) {
                let mut all = false;
                match step {
                    Step::File { record, ahead } if !model.0.contains_key(&record) => {
                        let (place, taken) = wheel.file(record, now + ahead, now, &mut magazines);
                        bytes += taken;
                        model.0.insert(record, (now + ahead, place));
                        prop_assert!(wheel.is_in_time(place, now + ahead));
                    }
                    Step::Again { record } if !model.0.contains_key(&record) => {
                        let (place, taken) = wheel.file_again(record, &mut magazines);
                        bytes += taken;
                        // It is due, whatever comes with its tick.
                        model.0.insert(record, (0, place));
                        prop_assert!(wheel.is_in_time(place, 0));
                        prop_assert_eq!(wheel.due_tick(), Some(0));
                    }
                    Step::File { .. } | Step::Again { .. } | Step::TakeOne => {}
                    Step::Pass { ticks } => {
                        now += ticks;
                        all = true;
                    }
                    Step::Renew if !wheel.is_being_renewed() && !wheel.is_done() => {
                        bytes -= wheel.own_bytes();
                        wheel.renew();
                        bytes += wheel.own_bytes();
                    }
                    Step::Renew => {}
                }
                while let Some((place, given)) = wheel.take_due(now, &mut batch, &mut magazines) {
                    bytes -= given;
                    for record in batch.records() {
                        let (tick, filed) = model.0.remove(record).expect("each once");
                        prop_assert_eq!(filed, place);
                        if tick >= now {
                            let (place, taken) = wheel.file(*record, tick, now, &mut magazines);
                            prop_assert!(place != filed);
                            bytes += taken;
                            model.0.insert(*record, (tick, place));
                        }
                    }
                    if !all {
                        break;
                    }
                }
                if all {
                    prop_assert!(model.0.values().all(|(tick, _)| *tick >= now));
                    prop_assert!(wheel.due_tick().is_none_or(|due| due > now));
                }
                let first = model.0.values().map(|(tick, _)| *tick).min();
                prop_assert_eq!(wheel.due_tick().is_some(), first.is_some() || wheel.is_being_renewed());
                if let (Some(due), Some(first)) = (wheel.due_tick(), first) {
                    prop_assert!(due <= first + 1);
                }
            }
            prop_assert!(model.0.is_empty());
            prop_assert_eq!(bytes, wheel.own_bytes());
        }
    }
}
