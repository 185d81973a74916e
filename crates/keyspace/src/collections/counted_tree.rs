//! Keys in their order, with ranks: a B+tree whose branches count the keys below them (D. Comer, *The Ubiquitous
//! B-Tree*, 1979). Insert, removal, the rank of a key and the key of a rank take logarithmic time.

use crate::prefetch::prefetch_line;
use crate::slab::global_bytes;

/// The most keys of a leaf.
const LEAF_LEN_MAX: usize = 64;
/// The most branches of an inner node.
const BRANCHES_MAX: usize = 31;

/// An ordered set.
pub(crate) struct CountedTree<K> {
    root: Node<K>,
    len: usize,
    nodes: Nodes,
}

/// How many nodes there are.
#[derive(Clone, Copy, Default)]
struct Nodes {
    leaves: usize,
    inner: usize,
}

enum Node<K> {
    /// Keys in their order: of all nodes but the root, one at least.
    Leaf(Vec<K>),
    /// One branch at least.
    Inner(Vec<Branch<K>>),
}

struct Branch<K> {
    /// The first key below.
    first: K,
    /// The number of keys below.
    len: usize,
    node: Node<K>,
}

/// Which way keys are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest on.
    Forward,
    /// From the highest on.
    Backward,
}

impl<K: Copy + Ord> Node<K> {
    fn leaf(nodes: &mut Nodes) -> Vec<K> {
        nodes.leaves += 1;
        Vec::with_capacity(LEAF_LEN_MAX)
    }

    fn inner(nodes: &mut Nodes) -> Vec<Branch<K>> {
        nodes.inner += 1;
        Vec::with_capacity(BRANCHES_MAX + 1)
    }

    /// The branch of this node, which has keys.
    fn into_branch(self) -> Branch<K> {
        let (first, len) = match &self {
            Self::Leaf(keys) => (keys[0], keys.len()),
            Self::Inner(branches) => (branches[0].first, branches.iter().map(|b| b.len).sum()),
        };
        Branch {
            first,
            len,
            node: self,
        }
    }

    fn first(&self) -> Option<K> {
        match self {
            Self::Leaf(keys) => keys.first().copied(),
            Self::Inner(branches) => branches.first().map(|branch| branch.first),
        }
    }

    /// Inserts a key; what was split off at the right. `is_last` is whether no node is right of this one: who appends
    /// fills nodes.
    fn insert(&mut self, key: K, is_last: bool, nodes: &mut Nodes) -> Option<Branch<K>> {
        match self {
            Self::Leaf(keys) => {
                let at = keys.partition_point(|other| *other < key);
                if keys.len() < LEAF_LEN_MAX {
                    keys.insert(at, key);
                    return None;
                }
                let mut right = Self::leaf(nodes);
                if is_last && at == keys.len() {
                    right.push(key);
                } else {
                    right.extend(keys.drain(LEAF_LEN_MAX / 2..));
                    match at.checked_sub(LEAF_LEN_MAX / 2) {
                        Some(at) if at > 0 => right.insert(at, key),
                        _ => keys.insert(at, key),
                    }
                }
                Some(Self::Leaf(right).into_branch())
            }
            Self::Inner(branches) => {
                let at = branch_of(branches, |first| *first <= key);
                let is_last = is_last && at + 1 == branches.len();
                let branch = &mut branches[at];
                let split = branch.node.insert(key, is_last, nodes);
                branch.first = branch.first.min(key);
                branch.len += 1;
                if let Some(split) = split {
                    branch.len -= split.len;
                    branches.insert(at + 1, split);
                }
                if branches.len() <= BRANCHES_MAX {
                    return None;
                }
                let left = if is_last {
                    BRANCHES_MAX
                } else {
                    BRANCHES_MAX / 2
                };
                let mut right = Self::inner(nodes);
                right.extend(branches.drain(left..));
                Some(Self::Inner(right).into_branch())
            }
        }
    }

    /// Removes a key; whether it was there.
    fn remove(&mut self, key: &K, nodes: &mut Nodes) -> bool {
        match self {
            Self::Leaf(keys) => match keys.binary_search(key) {
                Ok(at) => {
                    keys.remove(at);
                    true
                }
                Err(_) => false,
            },
            Self::Inner(branches) => {
                let at = branch_of(branches, |first| first <= key);
                let branch = &mut branches[at];
                if !branch.node.remove(key, nodes) {
                    return false;
                }
                branch.len -= 1;
                match branch.node.first() {
                    Some(first) => {
                        branch.first = first;
                        join_small(branches, at, nodes);
                    }
                    None => {
                        branch.node.forget(nodes);
                        branches.remove(at);
                    }
                }
                true
            }
        }
    }

    /// This node goes.
    fn forget(&self, nodes: &mut Nodes) {
        match self {
            Self::Leaf(_) => nodes.leaves -= 1,
            Self::Inner(_) => nodes.inner -= 1,
        }
    }

    /// How full it is, and how full it may be.
    fn fill(&self) -> (usize, usize) {
        match self {
            Self::Leaf(keys) => (keys.len(), LEAF_LEN_MAX),
            Self::Inner(branches) => (branches.len(), BRANCHES_MAX),
        }
    }
}

/// The last branch whose first key is as asked for, or the first branch.
#[inline]
fn branch_of<K>(branches: &[Branch<K>], is_before: impl Fn(&K) -> bool) -> usize {
    branches[1..].partition_point(|branch| is_before(&branch.first))
}

/// Joins the node at `at`, when it has become small, with a neighbour that has room.
fn join_small<K: Copy + Ord>(branches: &mut Vec<Branch<K>>, at: usize, nodes: &mut Nodes) {
    let (fill, fill_max) = branches[at].node.fill();
    if fill > fill_max / 4 || branches.len() == 1 {
        return;
    }
    let left = at.min(branches.len() - 2);
    let (left_fill, right_fill) = (
        branches[left].node.fill().0,
        branches[left + 1].node.fill().0,
    );
    if left_fill + right_fill > fill_max / 4 * 3 {
        return;
    }
    let right = branches.remove(left + 1);
    right.node.forget(nodes);
    branches[left].len += right.len;
    match (&mut branches[left].node, right.node) {
        (Node::Leaf(left), Node::Leaf(right)) => left.extend(right),
        (Node::Inner(left), Node::Inner(right)) => left.extend(right),
        (Node::Leaf(_), Node::Inner(_)) | (Node::Inner(_), Node::Leaf(_)) => {
            unreachable!("all leaves are at one depth")
        }
    }
}

impl<K: Copy + Ord> CountedTree<K> {
    pub fn new() -> Self {
        let mut nodes = Nodes::default();
        Self {
            root: Node::Leaf(Node::leaf(&mut nodes)),
            len: 0,
            nodes,
        }
    }

    /// A tree of keys that come in their order.
    pub fn from_sorted(keys: impl Iterator<Item = K>) -> Self {
        let mut nodes = Nodes::default();
        let mut keys = keys.peekable();
        let mut level = Vec::new();
        let mut len = 0;
        while keys.peek().is_some() {
            let mut leaf = Node::leaf(&mut nodes);
            leaf.extend(keys.by_ref().take(LEAF_LEN_MAX));
            len += leaf.len();
            level.push(Node::Leaf(leaf).into_branch());
        }
        while level.len() > 1 {
            let mut below = level.into_iter().peekable();
            level = Vec::new();
            while below.peek().is_some() {
                let mut inner = Node::inner(&mut nodes);
                inner.extend(below.by_ref().take(BRANCHES_MAX));
                level.push(Node::Inner(inner).into_branch());
            }
        }
        match level.pop() {
            Some(root) => Self {
                root: root.node,
                len,
                nodes,
            },
            None => Self::new(),
        }
    }

    /// The number of keys.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The first key.
    #[inline]
    pub fn first(&self) -> Option<K> {
        self.root.first()
    }

    /// Memory that it owns, in bytes, as the allocator rounds it.
    pub fn memory_bytes(&self) -> usize {
        let leaf = global_bytes(LEAF_LEN_MAX * size_of::<K>());
        let inner = global_bytes((BRANCHES_MAX + 1) * size_of::<Branch<K>>());
        self.nodes.leaves * leaf + self.nodes.inner * inner
    }

    /// Inserts a key. One that is there already is there twice then.
    pub fn insert(&mut self, key: K) {
        self.len += 1;
        let nodes = &mut self.nodes;
        if let Some(right) = self.root.insert(key, true, nodes) {
            let mut branches = Node::inner(nodes);
            let left = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            branches.push(left.into_branch());
            branches.push(right);
            self.root = Node::Inner(branches);
        }
    }

    /// Removes a key, once; whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let was_there = self.root.remove(key, &mut self.nodes);
        self.len -= usize::from(was_there);
        while let Node::Inner(branches) = &mut self.root {
            if branches.len() > 1 {
                break;
            }
            self.nodes.inner -= 1;
            match branches.pop() {
                Some(only) => self.root = only.node,
                None => self.root = Node::Leaf(Node::leaf(&mut self.nodes)),
            }
        }
        was_there
    }

    /// The number of keys for which `is_before` holds, which are those before all others.
    #[inline]
    pub fn count_where(&self, is_before: impl Fn(&K) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(keys) => return rank + keys.partition_point(&is_before),
                Node::Inner(branches) => {
                    let at = branch_of(branches, &is_before);
                    rank += branches[..at]
                        .iter()
                        .map(|branch| branch.len)
                        .sum::<usize>();
                    node = &branches[at].node;
                }
            }
        }
    }

    /// Has the processor fetch the leaf that has the last key for which `is_before` holds.
    pub fn look_ahead(&self, is_before: impl Fn(&K) -> bool) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(keys) => {
                    // A search begins in the middle, and goes on in the middle of a half.
                    for quarter in 1..4 {
                        if let Some(key) = keys.get(quarter * keys.len() / 4) {
                            prefetch_line(std::ptr::from_ref(key).cast());
                        }
                    }
                    return;
                }
                Node::Inner(branches) => node = &branches[branch_of(branches, &is_before)].node,
            }
        }
    }

    /// The leaf that has the key of this rank, and the rank in that leaf. There must be one.
    #[inline]
    fn leaf_of(&self, mut rank: usize) -> (&[K], usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(keys) => return (keys, rank),
                Node::Inner(branches) => {
                    let mut at = 0;
                    while rank >= branches[at].len {
                        rank -= branches[at].len;
                        at += 1;
                    }
                    node = &branches[at].node;
                }
            }
        }
    }

    /// The key of a rank, which must be less than the number of keys.
    pub fn get(&self, rank: usize) -> K {
        let (leaf, at) = self.leaf_of(rank);
        leaf[at]
    }

    /// The keys whose ranks these are, of which none may be beyond the last key.
    pub fn range(&self, ranks: std::ops::Range<usize>, direction: Direction) -> Range<'_, K> {
        assert!(ranks.end <= self.len, "the caller looks before");
        Range {
            tree: self,
            leaf: &[],
            ranks,
            direction,
        }
    }
}

/// See [`CountedTree::range`].
pub(crate) struct Range<'t, K> {
    tree: &'t CountedTree<K>,
    /// What is left of the leaf that is gone through.
    leaf: &'t [K],
    /// What is left besides.
    ranks: std::ops::Range<usize>,
    direction: Direction,
}

impl<K: Copy + Ord> Range<'_, K> {
    #[inline(never)]
    fn next_leaf(&mut self) {
        let left = self.ranks.len();
        match self.direction {
            Direction::Forward => {
                let (leaf, at) = self.tree.leaf_of(self.ranks.start);
                self.leaf = &leaf[at..leaf.len().min(at + left)];
                self.ranks.start += self.leaf.len();
            }
            Direction::Backward => {
                let (leaf, at) = self.tree.leaf_of(self.ranks.end - 1);
                self.leaf = &leaf[(at + 1).saturating_sub(left)..=at];
                self.ranks.end -= self.leaf.len();
            }
        }
    }
}

impl<K: Copy + Ord> Iterator for Range<'_, K> {
    type Item = K;

    #[inline]
    fn next(&mut self) -> Option<K> {
        if self.leaf.is_empty() {
            if self.ranks.is_empty() {
                return None;
            }
            self.next_leaf();
        }
        let (key, rest) = match self.direction {
            Direction::Forward => self.leaf.split_first()?,
            Direction::Backward => self.leaf.split_last()?,
        };
        self.leaf = rest;
        Some(*key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::Random;

    /// Looks at every node; the keys below.
    fn check_node(
        node: &Node<u64>,
        depth: usize,
        depths: &mut BTreeSet<usize>,
        nodes: &mut Nodes,
    ) -> usize {
        match node {
            Node::Leaf(keys) => {
                assert!(keys.len() <= LEAF_LEN_MAX && keys.is_sorted());
                assert_eq!(keys.capacity(), LEAF_LEN_MAX);
                depths.insert(depth);
                nodes.leaves += 1;
                keys.len()
            }
            Node::Inner(branches) => {
                assert!((1..=BRANCHES_MAX).contains(&branches.len()));
                assert_eq!(branches.capacity(), BRANCHES_MAX + 1);
                nodes.inner += 1;
                let check = |branch: &Branch<u64>| {
                    assert_eq!(branch.node.first(), Some(branch.first));
                    assert_eq!(
                        check_node(&branch.node, depth + 1, depths, nodes),
                        branch.len
                    );
                    branch.len
                };
                branches.iter().map(check).sum()
            }
        }
    }

    fn check_tree(tree: &CountedTree<u64>, model: &BTreeSet<u64>) {
        let (mut depths, mut nodes) = (BTreeSet::new(), Nodes::default());
        assert_eq!(
            check_node(&tree.root, 0, &mut depths, &mut nodes),
            model.len()
        );
        assert_eq!(depths.len(), 1, "all leaves are at one depth");
        assert_eq!(tree.len(), model.len());
        assert_eq!(
            (nodes.leaves, nodes.inner),
            (tree.nodes.leaves, tree.nodes.inner)
        );
        let all = 0..model.len();
        assert!(
            tree.range(all.clone(), Direction::Forward)
                .eq(model.iter().copied())
        );
        assert!(
            tree.range(all, Direction::Backward)
                .eq(model.iter().rev().copied())
        );
    }

    fn check_ranks(tree: &CountedTree<u64>, model: &BTreeSet<u64>, random: &mut Random) {
        let sorted: Vec<u64> = model.iter().copied().collect();
        let limit = random.bits() % 5_000;
        assert_eq!(
            tree.count_where(|key| *key < limit),
            model.range(..limit).count()
        );
        if sorted.is_empty() {
            return;
        }
        let start = random.below(sorted.len());
        let end = start + random.below(sorted.len() - start + 1);
        assert_eq!(tree.get(start), sorted[start]);
        let forward = tree.range(start..end, Direction::Forward);
        assert!(forward.eq(sorted[start..end].iter().copied()));
        let backward = tree.range(start..end, Direction::Backward);
        assert!(backward.eq(sorted[start..end].iter().rev().copied()));
    }

    #[test]
    fn it_is_an_ordered_set_with_ranks() {
        for seed in 1..12 {
            let mut random = Random::new(seed);
            let mut tree = CountedTree::new();
            let mut model = BTreeSet::new();
            for turn in 0..20_000 {
                // It grows and shrinks in turn.
                let grows = turn / 4_000 % 2 == 0;
                let key = random.bits() % 5_000;
                if random.below(10) < if grows { 8 } else { 2 } {
                    if model.insert(key) {
                        tree.insert(key);
                    }
                } else {
                    assert_eq!(tree.remove(&key), model.remove(&key));
                }
                if turn % 64 == 0 {
                    check_ranks(&tree, &model, &mut random);
                }
                if turn % 512 == 0 {
                    check_tree(&tree, &model);
                }
            }
            for key in model.clone() {
                model.remove(&key);
                assert!(tree.remove(&key));
            }
            check_tree(&tree, &model);
        }
    }

    #[test]
    fn a_key_can_be_there_several_times() {
        let mut random = Random::new(5);
        let mut tree = CountedTree::new();
        let mut model = Vec::new();
        for turn in 0..20_000 {
            let key = random.bits() % 8;
            if random.below(10) < if turn < 10_000 { 8 } else { 3 } {
                tree.insert(key);
                model.push(key);
            } else {
                let at = model.iter().position(|other| *other == key);
                assert_eq!(tree.remove(&key), at.is_some());
                at.map(|at| model.swap_remove(at));
            }
            let limit = random.bits() % 9;
            let before = model.iter().filter(|key| **key < limit).count();
            assert_eq!(tree.count_where(|key| *key < limit), before);
            assert_eq!(tree.first(), model.iter().min().copied());
        }
        model.sort_unstable();
        let all = tree.range(0..model.len(), Direction::Forward);
        assert!(all.eq(model.iter().copied()));
    }

    #[test]
    fn what_comes_in_order_fills_its_nodes() {
        for len in [0, 1, 64, 65, 1_984, 1_985, 100_000] {
            let model: BTreeSet<u64> = (0..len).collect();
            let built = CountedTree::from_sorted(0..len);
            check_tree(&built, &model);
            let mut appended = CountedTree::new();
            (0..len).for_each(|key| appended.insert(key));
            check_tree(&appended, &model);
            assert_eq!(built.nodes.leaves, appended.nodes.leaves);
        }
    }
}
