//! `[policy]`: the operator's own policies.

use std::path::PathBuf;

use ics_policies::DefaultAnswer;
use serde::Deserialize;

use super::fault::{Fault, Faults};
use super::place::Place;

/// `[policy]`. Without `directory` the shipped policies decide alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PolicySection {
    /// Where `*.cedar` and `devices.toml` lie.
    pub(crate) directory: Option<PathBuf>,
    /// What is answered where no policy of the operator says anything.
    default: DefaultName,
    /// Policies that are asked as well, and not heeded.
    pub(crate) trial: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DefaultName {
    #[default]
    Permit,
    Deny,
}

impl PolicySection {
    /// What is answered where no policy of the operator says anything.
    pub(crate) const fn default_answer(&self) -> DefaultAnswer {
        match self.default {
            DefaultName::Permit => DefaultAnswer::Permit,
            DefaultName::Deny => DefaultAnswer::Deny,
        }
    }

    pub(super) fn check(&mut self, place: &Place, faults: &mut Faults) {
        let named = [
            ("policy.directory", &mut self.directory),
            ("policy.trial", &mut self.trial),
        ];
        for (key, directory) in named {
            if let Some(directory) = directory {
                place.resolve(directory);
                if let Err(error) = std::fs::read_dir(&*directory) {
                    let wrong = format!("cannot read `{}`: {error}", directory.display());
                    let mend = "name a directory this user may read";
                    faults.take(Err(Fault::new(key, wrong, mend)));
                }
            }
        }
    }
}
