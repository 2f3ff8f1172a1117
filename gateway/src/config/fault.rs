//! What is wrong with the configuration: file, line, key, what, and how to mend it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file itself.
    #[error(
        "cannot read `{}`: {source}; `ics-gateway init --dir DIR` writes a complete one",
        file.display()
    )]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is in it.
    #[error("{}", Listed(.0))]
    Faulty(Vec<LocatedFault>),
}

/// A fault, and where it is.
#[derive(Debug)]
pub(crate) struct LocatedFault {
    /// Which file.
    pub(crate) file: PathBuf,
    /// Where, from 1; `None` when the key is not in the file.
    pub(crate) line: Option<usize>,
    /// What.
    pub(crate) fault: Fault,
}

impl fmt::Display for LocatedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, fault } = self;
        write!(f, "`{}`{}: {fault}", file.display(), Line(*line))
    }
}

/// One a line.
struct Listed<'f>(&'f [LocatedFault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            let before = if n == 0 { "" } else { "\n" };
            write!(f, "{before}{fault}")?;
        }
        Ok(())
    }
}

/// Faults, as they are found.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Takes the fault, if there is one.
    pub(super) fn take(&mut self, checked: Result<(), Fault>) {
        self.0.extend(checked.err());
    }

    /// All of them.
    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// One fault, before the file and line are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    key: String,
    wrong: String,
    mend: String,
}

impl Fault {
    /// The value at `key` (dotted, `t8.anchor[0].namespace`) is wrong in this way, and is mended
    /// in that way.
    pub(crate) fn new(
        key: impl Into<String>,
        wrong: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            wrong: wrong.into(),
            mend: mend.into(),
        }
    }

    /// This fault, with its place in the file.
    pub(super) fn located(self, file: &Path, text: &str) -> LocatedFault {
        let line = span_of(text, &self.key).map(|span| line_at(text, span.start));
        LocatedFault {
            file: file.into(),
            line,
            fault: self,
        }
    }

    /// Whether it is about this key, or a part of it.
    pub(super) fn is_about(&self, key: &str) -> bool {
        let rest = self.key.strip_prefix(key);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// How to mend it.
    pub(crate) fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.wrong)?;
        if self.mend.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", self.mend)
        }
    }
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// The fault behind an error of the TOML reader; `path` is the key it was at.
pub(super) fn of_reading(path: &str, message: &str) -> Fault {
    unknown_key(path, message).unwrap_or_else(|| {
        let mend = if message.starts_with("missing field") {
            "add it"
        } else {
            ""
        };
        Fault::new(path, message, mend)
    })
}

/// A file that is no TOML at all.
pub(super) fn of_syntax(file: &Path, text: &str, error: &toml::de::Error) -> LocatedFault {
    LocatedFault {
        file: file.into(),
        line: error.span().map(|span| line_at(text, span.start)),
        fault: Fault::new("", error.message(), ""),
    }
}

/// Reads serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_key(path: &str, message: &str) -> Option<Fault> {
    let (unknown, known) = unknown_field(message)?;
    let parent = path
        .strip_suffix(unknown)
        .unwrap_or(path)
        .trim_end_matches('.');
    let key = if parent.is_empty() {
        unknown.into()
    } else {
        format!("{parent}.{unknown}")
    };
    let mend = nearest(unknown, &known).map_or_else(
        || format!("known here: {}", known.join(", ")),
        |name| format!("did you mean `{name}`?"),
    );
    Some(Fault::new(key, "unknown key", mend))
}

/// The unknown field of a message, and those that are known.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    Some((names.next()?, names.collect()))
}

/// The key that was meant by an unknown one, if that can be told.
pub(super) fn meant_key(message: &str) -> Option<&str> {
    let (unknown, known) = unknown_field(message)?;
    nearest(unknown, &known)
}

fn nearest<'k>(unknown: &str, known: &[&'k str]) -> Option<&'k str> {
    let alike = |name: &str| strsim::jaro_winkler(unknown, name);
    let nearest = known.iter().copied();
    let nearest = nearest.max_by(|a, b| alike(a).total_cmp(&alike(b)));
    nearest.filter(|name| alike(name) > 0.7)
}

/// Where the value of a dotted key stands; where its section stands if the key is not there.
fn span_of(text: &str, key: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for segment in key.split('.') {
        let (name, index) = segment
            .trim_end_matches(']')
            .split_once('[')
            .map_or((segment, None), |(name, index)| {
                (name, index.parse::<usize>().ok())
            });
        let Some(mut value) = table.get(name) else {
            break;
        };
        if let Some(index) = index
            && let Some(element) = value.get_ref().as_array().and_then(|a| a.get(index))
        {
            value = element;
        }
        found = Some(value.span());
        let DeValue::Table(next) = value.get_ref() else {
            break;
        };
        table = next;
    }
    found
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before
        .bytes()
        .filter(|b| *b == b'\n')
        .count()
        .saturating_add(1)
}
