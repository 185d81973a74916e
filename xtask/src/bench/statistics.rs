//! Medians and ranges.

/// The middle and the ends of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle; of an even count, the average of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The larger of the distances from the median to the ends, in per cent of the median.
    pub fn percent(&self) -> f64 {
        (self.max - self.median).max(self.median - self.min) / self.median * 100.0
    }
}

/// The median, if there is a number.
pub fn median(numbers: &[f64]) -> Option<f64> {
    spread(numbers).map(|spread| spread.median)
}

/// Median, smallest and largest, if there is a number.
pub fn spread(numbers: &[f64]) -> Option<Spread> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (&min, &max) = (sorted.first()?, sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    };
    Some(Spread { median, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(
            spread(&[4.0, 1.0, 2.0, 100.0]),
            Some(Spread {
                median: 3.0,
                min: 1.0,
                max: 100.0
            })
        );
    }

    #[test]
    fn percent_is_of_the_farther_end() {
        assert_eq!(
            Spread {
                median: 10.0,
                min: 8.0,
                max: 11.0
            }
            .percent(),
            20.0
        );
    }
}
