//! What was measured, and the file that keeps it between runs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::machine::Machine;
use super::super::results::{AGAIN, Figures, Sample, load, save};
use super::super::statistics::{Spread, spread};

/// Everything that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KnobResults {
    /// Comparisons by the name of the experiment.
    pub comparisons: BTreeMap<String, Comparison>,
    /// The check of the formula for memory.
    pub formula: Option<FormulaCheck>,
}

/// What one experiment gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Where and when.
    pub machine: Machine,
    /// Rounds of each load.
    pub rounds: u32,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// The cell is the load, the server the setup; `AGAIN` is the first setup once more.
    pub samples: Vec<Sample>,
    /// Memory of the setups.
    pub memory: Vec<SetupMemory>,
}

/// Resident memory of one setup, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetupMemory {
    /// Its name.
    pub setup: String,
    /// After the start.
    pub empty_bytes: f64,
    /// With all keys.
    pub full_bytes: f64,
    /// After all loads.
    pub loaded_bytes: f64,
}

/// The formula for memory per key against what keys take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FormulaCheck {
    /// Where and when.
    pub machine: Machine,
    /// One for each shape of entry.
    pub rows: Vec<FormulaRow>,
}

/// Bytes per key for one shape of entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormulaRow {
    /// What the entries are like.
    pub shape: String,
    /// How many there were.
    pub keys: u64,
    /// What the formula says.
    pub planned_bytes: f64,
    /// Resident, above the empty server.
    pub measured_bytes: f64,
}

impl KnobResults {
    /// Reads the file; nothing is known when there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn load(path: &Path) -> Result<Self, String> {
        load(path)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), String> {
        save(self, path)
    }
}

impl Comparison {
    /// Medians of a setup under a load, if it was measured.
    pub fn figures(&self, load: &str, setup: &str) -> Option<Figures> {
        Figures::of(&self.of(load, setup))
    }

    /// CPU time of a setup as a multiple of another's, round by round.
    pub fn against(&self, load: &str, setup: &str, base: &str) -> Option<Spread> {
        let base = self.of(load, base);
        let ratios: Vec<f64> = self
            .of(load, setup)
            .iter()
            .filter_map(|sample| {
                let other = base.iter().find(|other| other.round == sample.round)?;
                Some(sample.total_ns / other.total_ns)
            })
            .collect();
        spread(&ratios)
    }

    /// The first setup's second measurement against its first.
    pub fn again(&self, load: &str, base: &str) -> Option<Spread> {
        self.against(load, AGAIN, base)
    }

    fn of(&self, load: &str, setup: &str) -> Vec<&Sample> {
        self.samples
            .iter()
            .filter(|sample| sample.cell == load && sample.server == setup)
            .collect()
    }
}
