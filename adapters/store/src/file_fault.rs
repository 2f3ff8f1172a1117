//! What can be wrong with a file that a store is to be made of.

use std::io;

use crate::PrepareError;
use crate::record::Misfit;

/// Why a backup, or an exported state, was not taken. Names no value that stands in it.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It is something else.
    #[error("it is {0}")]
    Foreign(&'static str),
    /// A later version of this software wrote it.
    #[error("it has format {found}, the newest this version reads is {known}")]
    NewerFormat {
        /// Its format.
        found: u64,
        /// The newest known.
        known: u64,
    },
    /// Its end is missing.
    #[error("its end is missing: it was cut off")]
    CutOff,
    /// It goes on after its end.
    #[error("it goes on after its end")]
    GoesOn,
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// What it holds is no store that this version reads.
    #[error("what it holds is no store for this version")]
    Content(#[source] PrepareError),
    /// A line of it is not as it should be.
    #[error("line {line}: {}", place_of(.field, .wrong))]
    Line {
        /// Which, from 1.
        line: u64,
        /// The field, with those around it; empty: the line as a whole.
        field: String,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// The file system said no.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
}

impl FileFault {
    pub(crate) fn of_line(line: u64, misfit: Misfit) -> Self {
        Self::Line {
            line,
            field: misfit.field,
            wrong: misfit.wrong,
        }
    }
}

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Io(error),
        }
    }
}

fn place_of(field: &str, wrong: &str) -> String {
    if field.is_empty() {
        wrong.to_owned()
    } else {
        format!("field `{field}` {wrong}")
    }
}

/// Why nothing whole was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Read(#[source] ics_core::port::StoreError),
    /// What is written to takes no more.
    #[error("it cannot be written")]
    Write(#[source] io::Error),
    /// The store holds something that cannot be read.
    #[error("table `{0}` does not hold what was written: `ics-gateway store check` tells more")]
    Damaged(crate::Table),
}
