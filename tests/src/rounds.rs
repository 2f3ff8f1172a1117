//! How long a test goes on, and what this machine does not let it do: said, never passed over.

use std::io::Write as _;

/// How many rounds: what `variable` of the environment says, or what every run has time for.
pub fn rounds(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Says that `what` was not tried on this machine; `tests/run` repeats it at its end. Where
/// `variable` asks for it by a number of rounds, that is a failure.
pub fn skip(what: &str, why: &str, variable: &str) {
    assert!(
        std::env::var_os(variable).is_none(),
        "{variable} asks for {what}: {why}"
    );
    // Past what the test harness keeps to itself.
    writeln!(std::io::stderr(), "\nSKIPPED: {what}: {why}").expect("standard error");
}
