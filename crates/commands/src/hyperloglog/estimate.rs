//! How many different elements there were, from how often each register value occurs: the estimator of Otmar Ertl, "New
//! cardinality estimation algorithms for HyperLogLog sketches", <https://arxiv.org/abs/1702.01284>, with the doubles of
//! Redis in its order, so that both answer the same.

use super::sketch::{RANK_BITS, REGISTERS};

/// How many registers have each value.
pub type Histogram = [u32; 64];

/// 0.5 / ln 2.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// 2^63.
const ESTIMATE_END: f64 = 9_223_372_036_854_775_808.0;

/// The estimate.
pub fn estimate(histogram: &Histogram) -> u64 {
    let registers = REGISTERS as f64;
    let highest = f64::from(histogram[RANK_BITS + 1]);
    let mut z = registers * tau((registers - highest) / registers);
    for rank in (1..=RANK_BITS).rev() {
        z += f64::from(histogram[rank]);
        z *= 0.5;
    }
    z += registers * sigma(f64::from(histogram[0]) / registers);
    let estimate = (ALPHA * registers * registers / z).round();
    // Registers that no elements make can come to more than that, which C's conversion turns into it.
    if estimate < ESTIMATE_END {
        estimate as u64
    } else {
        1 << 63
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
