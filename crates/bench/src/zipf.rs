//! Zipf distributed numbers in constant time and memory.
//!
//! W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions",
//! ACM Transactions on Modeling and Computer Simulation 6(3), 1996: invert the integral of a continuous hat over the
//! histogram, and reject the small part of the hat that lies above it.

use crate::keys::Random;

/// Samples k in 1..=n with probability proportional to k^-exponent.
#[derive(Clone, Debug)]
pub struct Zipf {
    exponent: f64,
    count: f64,
    /// The hat's integral at 3/2, less the first bar: where sampling begins.
    integral_first: f64,
    /// The hat's integral at n + 1/2: where sampling ends.
    integral_last: f64,
    /// A distance from k below which a point is accepted without further computation.
    accept_distance: f64,
}

impl Zipf {
    /// `count` is at least 1 and `exponent` above 0 (1 is fine).
    pub fn new(count: u64, exponent: f64) -> Self {
        assert!(
            count > 0 && exponent > 0.0 && exponent.is_finite(),
            "zipf parameters are checked by the caller"
        );
        let mut zipf = Zipf {
            exponent,
            count: count as f64,
            integral_first: 0.0,
            integral_last: 0.0,
            accept_distance: 0.0,
        };
        zipf.integral_first = zipf.integral(1.5) - 1.0;
        zipf.integral_last = zipf.integral(zipf.count + 0.5);
        zipf.accept_distance = 2.0 - zipf.integral_inverse(zipf.integral(2.5) - zipf.hat(2.0));
        zipf
    }

    /// The next number, from 1 to `count`; 1 is the most frequent.
    pub fn sample(&self, random: &mut Random) -> u64 {
        loop {
            let area =
                self.integral_last + random.unit() * (self.integral_first - self.integral_last);
            let point = self.integral_inverse(area);
            let rank = (point + 0.5).floor().clamp(1.0, self.count);
            if rank - point <= self.accept_distance
                || area >= self.integral(rank + 0.5) - self.hat(rank)
            {
                return rank as u64;
            }
        }
    }

    /// x^-exponent.
    fn hat(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// (x^(1 - exponent) - 1) / (1 - exponent), and ln x for exponent 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let t = (1.0 - self.exponent) * log;
        // Near 0 the quotient loses its digits; two terms of its series are exact enough there.
        let factor = if t.abs() > 1e-8 {
            t.exp_m1() / t
        } else {
            1.0 + t / 2.0
        };
        factor * log
    }

    fn integral_inverse(&self, y: f64) -> f64 {
        let t = (y * (1.0 - self.exponent)).max(-1.0);
        let factor = if t.abs() > 1e-8 {
            t.ln_1p() / t
        } else {
            1.0 - t / 2.0
        };
        (factor * y).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the frequencies of the first ranks and of the tail with the exact probabilities.
    fn check_shape(count: u64, exponent: f64) {
        const SAMPLES: u32 = 400_000;
        let zipf = Zipf::new(count, exponent);
        let mut random = Random::new(7);
        let mut frequencies = vec![0u32; count as usize];
        for _ in 0..SAMPLES {
            frequencies[zipf.sample(&mut random) as usize - 1] += 1;
        }
        let weights: Vec<f64> = (1..=count).map(|k| (k as f64).powf(-exponent)).collect();
        let total: f64 = weights.iter().sum();
        let close = |counted: u32, probability: f64, what: &str| {
            let expected = probability * f64::from(SAMPLES);
            // Five standard deviations of a binomial count.
            let allowed = 5.0 * (expected * (1.0 - probability)).sqrt() + 1.0;
            assert!(
                (f64::from(counted) - expected).abs() <= allowed,
                "{what} of n {count}, s {exponent}: counted {counted}, expected {expected:.0}"
            );
        };
        for rank in 0..count.min(8) as usize {
            close(frequencies[rank], weights[rank] / total, "rank");
        }
        let half = count as usize / 2;
        close(
            frequencies[half..].iter().sum(),
            weights[half..].iter().sum::<f64>() / total,
            "upper half",
        );
    }

    #[test]
    fn frequencies_match_the_distribution() {
        for exponent in [0.5, 0.99, 1.0, 1.2, 2.5] {
            for count in [1, 2, 10, 1000] {
                check_shape(count, exponent);
            }
        }
    }

    #[test]
    fn samples_stay_in_range_for_large_counts() {
        let zipf = Zipf::new(1_000_000_000_000, 1.01);
        let mut random = Random::new(3);
        for _ in 0..10_000 {
            assert!((1..=1_000_000_000_000).contains(&zipf.sample(&mut random)));
        }
    }
}
