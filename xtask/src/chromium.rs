//! Chromium, in which the tests look at the dashboard.

use crate::packages::Program;

const CHROMIUM: Program = Program {
    name: "chromium",
    packages: &["chromium"],
    purpose: "looks at the dashboard with it",
    without: "REDISTILL_WITHOUT_CHROMIUM",
};

/// Makes sure that it is there, or that its absence is accepted.
pub fn ensure() -> Result<(), String> {
    CHROMIUM.ensure().map(drop)
}
