//! Table 1 of Y.4462 as a flat file: device ID, service URI and UTI of every established row, as
//! CSV (RFC 4180), for reading.
//!
//! What nobody is told any more is not in it: rows behind a fence, rows that have run out. Values
//! stand as they are; a program that takes a cell for a formula when it begins like one must be
//! told to take it for text, and a [`TableMeter`] says how many there are.

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use ics_core::correlation::Correlation;
use ics_core::directory::DirectoryRecord;
use ics_core::fence::Fence;
use ics_core::mapping::Mapping;
use ics_core::time::Timestamp;

use crate::file_fault::WriteFault;
use crate::record::{Tally, checksum, decode};
use crate::{Table, Upkeep, index};

/// The first line, without its end.
pub const TABLE_HEADER: &str = "deviceId,serviceUri,uti";

/// Writes the table as of one instant, which `now` names; answers how many rows it has. Commits go
/// on meanwhile.
///
/// # Errors
/// [`WriteFault`].
pub fn write_table(
    store: &dyn Upkeep,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<u64, WriteFault> {
    write!(out, "{TABLE_HEADER}\r\n").map_err(WriteFault::Write)?;
    let mut writer = TableWriter {
        out,
        now,
        fences: Vec::new(),
        killed: None,
        last: Vec::new(),
        rows: 0,
        counted: None,
        seen: (0, 0),
    };
    let mut written = Ok(());
    // The fences first. Then the rows, twice where a fence kills UTIs: it takes rows outside its
    // own scope along, and which those are is known when all rows were seen.
    let tables = [
        Table::Meta,
        Table::Directory,
        Table::Mapping,
        Table::Mapping,
    ];
    let visited = store.visit(&tables, &mut |key, value| {
        writer.add(key, value).unwrap_or_else(|fault| {
            written = Err(fault);
            ControlFlow::Break(())
        })
    });
    written?;
    visited.map_err(WriteFault::Read)?;
    writer.see_whole()?;
    writer.out.flush().map_err(WriteFault::Write)?;
    Ok(writer.rows)
}

struct TableWriter<'w> {
    out: &'w mut dyn Write,
    now: Timestamp,
    fences: Vec<Arc<Fence>>,
    /// Hashes of the UTIs that fences kill, if any does.
    killed: Option<HashSet<u64>>,
    /// The last row of the first round, as far as that has come.
    last: Vec<u8>,
    rows: u64,
    /// The counters of the store, once they went by; how many directory records and, in the first
    /// round, mappings did.
    counted: Option<Tally>,
    seen: (u64, u64),
}

impl TableWriter<'_> {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<ControlFlow<()>, WriteFault> {
        let table = Table::of_key(key).unwrap_or(Table::Meta);
        let damaged = |_| WriteFault::Damaged(table);
        if table == Table::Meta {
            if key == index::tally().as_bytes() {
                self.counted = Some(decode(key, value).map_err(damaged)?);
            }
            return Ok(ControlFlow::Continue(()));
        }
        if table == Table::Directory {
            self.seen.0 = self.seen.0.saturating_add(1);
            if let DirectoryRecord::Fence(fence) = decode(key, value).map_err(damaged)? {
                if fence.kills_utis() {
                    self.killed.get_or_insert_default();
                }
                self.fences.push(fence);
            }
            return Ok(ControlFlow::Continue(()));
        }
        let is_first_round = self.last.as_slice() < key;
        if is_first_round {
            key.clone_into(&mut self.last);
            self.seen.1 = self.seen.1.saturating_add(1);
        } else if self.killed.is_none() {
            // All was written in the first.
            return Ok(ControlFlow::Break(()));
        } else {
            // Of this round every key is seen as one of it.
            self.last = vec![u8::MAX];
        }
        let row: Mapping = decode(key, value).map_err(damaged)?;
        if is_first_round && self.killed.is_some() {
            self.note_killed(&row);
        } else if self.is_told(&row) {
            self.write(&row).map_err(WriteFault::Write)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Sees that as many records went by as the store counted.
    fn see_whole(&self) -> Result<(), WriteFault> {
        let counted = self.counted.ok_or(WriteFault::Damaged(Table::Meta))?;
        for (table, seen) in [
            (Table::Directory, self.seen.0),
            (Table::Mapping, self.seen.1),
        ] {
            if counted.count(table) != seen {
                return Err(WriteFault::Damaged(table));
            }
        }
        Ok(())
    }

    fn note_killed(&mut self, row: &Mapping) {
        let mut fences = self.fences.iter();
        if fences.any(|fence| fence.kills_utis() && fence.covers(row))
            && let Some(killed) = &mut self.killed
        {
            killed.insert(uti_hash(row));
        }
    }

    /// Whether an inquiry would find it, as far as the row itself decides.
    fn is_told(&self, row: &Mapping) -> bool {
        let is_killed = |killed: &HashSet<u64>| killed.contains(&uti_hash(row));
        Correlation::of(row).is_some_and(|found| found.holds(self.now))
            && !self.fences.iter().any(|fence| fence.covers(row))
            && !self.killed.as_ref().is_some_and(is_killed)
    }

    fn write(&mut self, row: &Mapping) -> io::Result<()> {
        let Some(found) = Correlation::of(row) else {
            return Ok(());
        };
        let cells = [
            found.device_id.as_str(),
            found.key.service_uri.as_str(),
            found.key.uti.as_str(),
        ];
        let mut line = Vec::with_capacity(160);
        for (place, cell) in cells.into_iter().enumerate() {
            if place > 0 {
                line.push(b',');
            }
            write_cell(&mut line, cell);
        }
        line.extend_from_slice(b"\r\n");
        self.rows = self.rows.saturating_add(1);
        self.out.write_all(&line)
    }
}

/// RFC 4180: quoted where it must be, quotes doubled.
fn write_cell(line: &mut Vec<u8>, cell: &str) {
    if !cell.contains([',', '"', '\r', '\n']) {
        return line.extend_from_slice(cell.as_bytes());
    }
    line.push(b'"');
    for byte in cell.bytes() {
        if byte == b'"' {
            line.push(b'"');
        }
        line.push(byte);
    }
    line.push(b'"');
}

/// Counts rows of a table that passes by in pieces, and cells that begin as formulas do in
/// spreadsheets.
#[derive(Debug, Default)]
pub struct TableMeter {
    /// Lines that ended, the header's included.
    pub lines: u64,
    /// Cells that begin with `=`, `+`, `-`, `@`, a tab or a carriage return.
    pub formula_like: u64,
    place: CellPlace,
    is_quoted: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CellPlace {
    #[default]
    Before,
    /// Behind the quote that begins it.
    Quoted,
    Within,
}

impl TableMeter {
    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        for byte in piece {
            let is_end = !self.is_quoted && matches!(byte, b',' | b'\n');
            let is_formula = match byte {
                b'\r' => self.place == CellPlace::Quoted,
                byte => matches!(byte, b'=' | b'+' | b'-' | b'@' | b'\t'),
            };
            if is_formula && self.place != CellPlace::Within {
                self.formula_like = self.formula_like.saturating_add(1);
            }
            if *byte == b'\n' && is_end {
                self.lines = self.lines.saturating_add(1);
            }
            self.place = match (byte, self.place) {
                _ if is_end => CellPlace::Before,
                (b'"', CellPlace::Before) => CellPlace::Quoted,
                _ => CellPlace::Within,
            };
            self.is_quoted ^= *byte == b'"';
        }
    }
}

/// UTIs belong to their third party.
fn uti_hash(row: &Mapping) -> u64 {
    checksum(
        row.third_party_sp.as_str().as_bytes(),
        row.key.uti.as_str().as_bytes(),
    )
}

#[cfg(test)]
mod tests;
