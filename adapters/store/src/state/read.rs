//! Reading it: total and strict, a line in memory at a time.

use std::io::BufRead;

use super::line::{Header, Trailer, own_versions};
use super::objection::Judge;
use super::{EXPORTED, Line, StateRecord, StateSummary};
use crate::file_fault::FileFault;
use crate::hashing::HashingReader;
use crate::record::Misfit;
use crate::table_file::TABLE_HEADER;

/// The longest line that is read: far above any record.
const LONGEST: usize = 4 << 20;

/// Reads a state to its end and sees that it is whole, telling `progress` of each record.
///
/// # Errors
/// [`FileFault`].
pub fn read_state(
    input: &mut dyn BufRead,
    progress: &mut dyn FnMut(),
) -> Result<StateSummary, FileFault> {
    walk_state(input, &mut |_| {
        progress();
        Ok(())
    })
}

/// Reads a state to its end and hands every record to `take`. Nothing of it is known to be good
/// before this has ended well.
pub(crate) fn walk_state<E: From<FileFault>>(
    input: &mut dyn BufRead,
    take: &mut dyn FnMut(StateRecord) -> Result<(), E>,
) -> Result<StateSummary, E> {
    let mut reader = Reader {
        input: HashingReader::new(input),
        line: 0,
        judge: Judge::default(),
    };
    let header = reader.header()?;
    let mut counts = [0_u64; EXPORTED.len()];
    let mut canary = None;
    loop {
        let hash = reader.input.hash();
        match reader.next(&header.versions)? {
            Line::Record(record) => {
                if let Some(count) = counts.get_mut(record.place()) {
                    *count = count.saturating_add(1);
                }
                if let StateRecord::Canary(kept) = &record {
                    canary = Some(kept.0.clone());
                }
                reader.judge.note_parties(reader.line, &record);
                take(record)?;
            }
            Line::Trailer(trailer) => {
                reader.check_end((&header, &trailer), hash, &counts)?;
                return Ok(StateSummary {
                    taken: header.taken,
                    records: trailer.records,
                    digest: trailer.digest,
                    is_comparable: header.versions == own_versions(),
                    sha256: trailer.sha256,
                    bytes: reader.input.bytes,
                    canary,
                    objections: reader.judge.conclude(),
                });
            }
            Line::Header(_) => return Err(reader.refuse("is a second header").into()),
        }
    }
}

struct Reader<'r> {
    input: HashingReader<&'r mut dyn BufRead>,
    line: u64,
    judge: Judge,
}

impl Reader<'_> {
    fn header(&mut self) -> Result<Header, FileFault> {
        let line = self.input.line(LONGEST)?;
        if line.starts_with(TABLE_HEADER.as_bytes()) {
            return Err(FileFault::Foreign(
                "the mapping table as CSV, which is for reading: a row needs its parties, agreement and consent; \
                 import a state (`export --state`)",
            ));
        }
        if !line.starts_with(b"{\"record\":\"header\"") {
            return Err(FileFault::Foreign("no exported state of an ICS gateway"));
        }
        self.line = 1;
        match self.parse(&line, &[])? {
            Line::Header(header) => Ok(header),
            _ => Err(self.refuse("is no header")),
        }
    }

    fn next(&mut self, versions: &[u8]) -> Result<Line, FileFault> {
        let line = self.input.line(LONGEST)?;
        if line.is_empty() {
            return Err(FileFault::CutOff);
        }
        self.line = self.line.saturating_add(1);
        self.parse(&line, versions)
    }

    fn parse(&mut self, line: &[u8], versions: &[u8]) -> Result<Line, FileFault> {
        let Some(text) = line.strip_suffix(b"\n") else {
            return Err(if line.len() < LONGEST {
                FileFault::CutOff
            } else {
                self.refuse("is too long")
            });
        };
        let parsed = Line::parse_judged(text, versions);
        let (parsed, not_taken) = parsed.map_err(|misfit| FileFault::of_line(self.line, misfit))?;
        if let Some(field) = not_taken {
            self.judge.note_identifier(self.line, field);
        }
        self.input.hash_line(line);
        Ok(parsed)
    }

    fn check_end(
        &mut self,
        (header, trailer): (&Header, &Trailer),
        hash: [u8; 32],
        counts: &[u64; EXPORTED.len()],
    ) -> Result<(), FileFault> {
        let records = counts.iter().fold(0_u64, |sum, n| sum.saturating_add(*n));
        if hash != trailer.sha256 {
            return Err(FileFault::Damaged("its SHA-256 is another"));
        }
        if *counts != header.counts || records != trailer.records {
            return Err(FileFault::Damaged(
                "it holds another number of records than it says",
            ));
        }
        if !self.input.is_over()? {
            return Err(FileFault::GoesOn);
        }
        Ok(())
    }

    fn refuse(&self, wrong: &'static str) -> FileFault {
        let field = String::new();
        FileFault::of_line(self.line, Misfit { field, wrong })
    }
}
