//! The operator's policies on disk: `*.cedar`, `devices.toml`, and cases beside them.

use std::io;
use std::path::{Path, PathBuf};

use ics_policies::{DefaultAnswer, InvalidPolicies, PolicySet, PolicySources};

use crate::bounded::read_bounded;

/// The largest file that is read, in MiB.
const LARGEST: u64 = 4;
/// Groups of devices and grants.
const DEVICES: &str = "devices.toml";
/// How the name of a file with cases ends.
const CASES: &str = "_cases.toml";

/// Why there is no set of policies. What is in force stays so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// A file or the directory.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What stands in them.
    #[error("policies in `{}`: {source}", directory.display())]
    Invalid {
        /// Where.
        directory: PathBuf,
        /// What is wrong.
        source: InvalidPolicies,
    },
}

/// The policies of a directory, checked; without one, the shipped ones alone.
///
/// # Errors
/// [`PolicyError`].
pub(crate) fn load_policies(
    directory: Option<&Path>,
    default: DefaultAnswer,
) -> Result<PolicySet, PolicyError> {
    let mut sources = PolicySources {
        default,
        ..PolicySources::default()
    };
    if let Some(directory) = directory {
        sources.policies = files_ending(directory, ".cedar")?;
        let devices = directory.join(DEVICES);
        sources.devices = match read_bounded(&devices, LARGEST) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(PolicyError::Unreadable {
                    path: devices,
                    source,
                });
            }
        };
    }
    PolicySet::compile(&sources).map_err(|source| PolicyError::Invalid {
        directory: directory.unwrap_or_else(|| Path::new("")).into(),
        source,
    })
}

/// The files with cases: name, text.
///
/// # Errors
/// [`PolicyError::Unreadable`].
pub(crate) fn load_cases(directory: &Path) -> Result<Vec<(String, String)>, PolicyError> {
    files_ending(directory, CASES)
}

/// Sorted by name, so that the same files are the same set wherever they lie.
fn files_ending(directory: &Path, ending: &str) -> Result<Vec<(String, String)>, PolicyError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| PolicyError::Unreadable { path, source }
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable(directory))? {
        let entry = entry.map_err(unreadable(directory))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        // An editor's leftovers begin with a dot.
        if name.ends_with(ending) && !name.starts_with('.') {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    let files = names.into_iter().map(|name| {
        let path = directory.join(&name);
        let text = read_bounded(&path, LARGEST).map_err(unreadable(&path))?;
        Ok((name, text))
    });
    files.collect()
}
