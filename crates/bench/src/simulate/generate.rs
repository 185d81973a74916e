//! Made-up requests from a seed.

use std::str::FromStr;

use super::trace::Trace;
use crate::keys::Random;
use crate::zipf::Zipf;

/// The most keys and requests of a generator.
const COUNT_MAX: usize = 1 << 30;

/// Which key is requested how often.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Key k with a probability proportional to 1 / k^theta.
    Zipf,
    /// Each key with the same probability.
    Uniform,
    /// Zipf, and a share of the requests are runs over neighbouring keys.
    Scan,
    /// 0, 1, 2, ... and again from 0.
    Loop,
    /// A share of the requests go to a small set of keys, which is another one after each period.
    Shift,
}

const SHAPES: [(&str, Shape); 5] = [
    ("zipf", Shape::Zipf),
    ("uniform", Shape::Uniform),
    ("scan", Shape::Scan),
    ("loop", Shape::Loop),
    ("shift", Shape::Shift),
];

/// What the command line can set: `zipf`, `zipf:theta=0.8,keys=1000`.
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    /// As on the command line.
    name: String,
    shape: Shape,
    keys: usize,
    requests: usize,
    theta: f64,
    /// The share of requests that are part of a scan, or go to the hot set.
    share: f64,
    /// Keys of a scan, or of the hot set.
    length: usize,
    /// Requests until the hot set changes.
    period: usize,
}

/// What `--help` tells about generators.
pub const GENERATORS_HELP: &str = "\
Generators, with what can be set and its default:
  zipf:keys=100000,requests=1000000,theta=0.99
  uniform:keys=100000,requests=1000000
  scan:keys=100000,requests=1000000,theta=0.99,share=0.3,length=5000    zipf, and scans of `length` keys in between
  loop:keys=100000,requests=1000000
  shift:keys=100000,requests=1000000,share=0.9,length=5000,period=100000    a hot set that changes";

impl FromStr for Generator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (shape, settings) = text.split_once(':').unwrap_or((text, ""));
        let Some(&(_, shape)) = SHAPES.iter().find(|(name, _)| *name == shape) else {
            return Err(format!(
                "there is no generator '{shape}'\n{GENERATORS_HELP}"
            ));
        };
        let mut generator = Generator {
            name: text.to_owned(),
            shape,
            keys: 100_000,
            requests: 1_000_000,
            theta: 0.99,
            share: if shape == Shape::Shift { 0.9 } else { 0.3 },
            length: 5000,
            period: 100_000,
        };
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            if !generator.set(setting) {
                return Err(format!(
                    "generator '{text}': '{setting}' cannot be set\n{GENERATORS_HELP}"
                ));
            }
        }
        Ok(generator)
    }
}

impl Generator {
    /// Takes `name=value`; false if there is no such name, or the value is out of range.
    fn set(&mut self, setting: &str) -> bool {
        let count = |text: &str| text.parse().ok().filter(|n| (1..=COUNT_MAX).contains(n));
        let ratio = |text: &str, most| text.parse().ok().filter(|&x| x > 0.0 && x <= most);
        let mut try_set = || {
            let (name, value) = setting.split_once('=')?;
            match name {
                "keys" => self.keys = count(value)?,
                "requests" => self.requests = count(value)?,
                "length" => self.length = count(value)?,
                "period" => self.period = count(value)?,
                "theta" => self.theta = ratio(value, 10.0)?,
                "share" => self.share = ratio(value, 1.0)?,
                _ => return None,
            }
            Some(())
        };
        try_set().is_some()
    }

    /// The requests for a seed.
    pub fn trace(&self, seed: u64) -> Trace {
        let mut random = Random::new(seed);
        let keys = self.keys as u64;
        let mut requests = Vec::with_capacity(self.requests);
        match self.shape {
            Shape::Uniform => {
                requests.extend((0..self.requests).map(|_| random.below(keys) as u32));
            }
            Shape::Loop => {
                requests.extend((0..self.requests).map(|time| (time % self.keys) as u32));
            }
            Shape::Zipf => self.fill_zipf(&mut requests, 0.0, &mut random),
            Shape::Scan => self.fill_zipf(&mut requests, self.share, &mut random),
            Shape::Shift => self.fill_shifting(&mut requests, &mut random),
        }
        Trace::new(self.name.clone(), requests)
    }

    /// Zipf requests, with scans such that they are this share of all. Neighbours of a frequent key are not frequent.
    fn fill_zipf(&self, requests: &mut Vec<u32>, scan_share: f64, random: &mut Random) {
        let zipf = Zipf::new(self.keys as u64, self.theta);
        let ids = shuffled(self.keys, random);
        let starts = scan_share / (self.length as f64 * (1.0 - scan_share).max(1e-9));
        while requests.len() < self.requests {
            requests.push(ids[zipf.sample(random) as usize - 1]);
            if random.unit() < starts {
                let first = random.below(self.keys as u64) as usize;
                let room = self.length.min(self.requests - requests.len());
                requests.extend((first..first + room).map(|key| (key % self.keys) as u32));
            }
        }
    }

    fn fill_shifting(&self, requests: &mut Vec<u32>, random: &mut Random) {
        let keys = self.keys as u64;
        let mut first = 0;
        for time in 0..self.requests {
            if time % self.period == 0 {
                first = random.below(keys);
            }
            let id = if random.unit() < self.share {
                (first + random.below(self.length as u64)) % keys
            } else {
                random.below(keys)
            };
            requests.push(id as u32);
        }
    }
}

/// The numbers below `count` in a random order.
fn shuffled(count: usize, random: &mut Random) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..count as u32).collect();
    for last in (1..count).rev() {
        ids.swap(last, random.below(last as u64 + 1) as usize);
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::Generator;

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        for spec in ["zipf", "uniform", "scan:share=0.5", "shift:period=100"] {
            let generator: Generator = format!(
                "{spec}{}keys=500,requests=2000",
                if spec.contains(':') { "," } else { ":" }
            )
            .parse()
            .unwrap();
            let trace = generator.trace(1);
            assert_eq!(trace.requests.len(), 2000, "{spec}");
            assert!(trace.keys <= 500, "{spec}");
            assert_eq!(trace.requests, generator.trace(1).requests, "{spec}");
            assert_ne!(trace.requests, generator.trace(2).requests, "{spec}");
        }
    }

    #[test]
    fn a_loop_goes_round() {
        let generator: Generator = "loop:keys=3,requests=5".parse().unwrap();
        assert_eq!(generator.trace(1).requests, [0, 1, 2, 0, 1]);
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for wrong in [
            "zapf",
            "zipf:theta",
            "zipf:theta=x",
            "zipf:keys=0",
            "scan:share=2",
            "zipf:x=1",
        ] {
            assert!(wrong.parse::<Generator>().is_err(), "{wrong}");
        }
    }
}
