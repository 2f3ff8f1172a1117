//! A table of devices, CSV (RFC 4180) with a header line: read whole before anything is sent.
//! What is wrong with the table itself refuses all of it; what is wrong with one line, that line.

use std::path::{Path, PathBuf};

use ics_operator::wire::{ChannelName, NewDevice};

/// The columns, by the names of the members they become.
const COLUMNS: [&str; 7] = [
    "deviceSerialNumber",
    "deviceVendor",
    "deviceModel",
    "ownerSubject",
    "channels",
    "credentials",
    "certificateRequest",
];

/// Why a table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SheetError {
    /// A quoted cell does not end, or something follows its end.
    #[error("line {0}: a quoted cell is not closed, or something follows its end")]
    Quotes(usize),
    /// No header line.
    #[error("there is no header line; it names columns out of {known}", known = COLUMNS.join(", "))]
    NoHeader,
    /// A column that is none.
    #[error("`{name}` is no column; there are {known}", known = COLUMNS.join(", "))]
    Column {
        /// As it stands there.
        name: String,
    },
    /// A column that came twice.
    #[error("column `{0}` comes more than once")]
    Repeated(String),
    /// The column that must be there.
    #[error("column `deviceSerialNumber` is missing")]
    NoSerial,
}

/// How a line's device is to prove itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proofs {
    /// By a password.
    pub(super) password: bool,
    /// By a pre-shared key.
    pub(super) psk: bool,
    /// By a certificate.
    pub(super) certificate: bool,
    /// For the key of this request; otherwise one made here.
    pub(super) request: Option<PathBuf>,
}

/// A line of the table: a device without its credentials, and which it shall have.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it begins in the file.
    pub(super) line: usize,
    /// The device, or what is wrong with the line.
    pub(super) device: Result<(NewDevice, Proofs), &'static str>,
}

/// Reads a table; the paths in it start from `directory`.
pub(super) fn read_sheet(text: &str, directory: &Path) -> Result<Vec<Row>, SheetError> {
    let mut lines = read_cells(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
    let (_, header) = lines.next().ok_or(SheetError::NoHeader)?;
    let mut order = Vec::with_capacity(header.len());
    for name in header {
        let column = COLUMNS.into_iter().find(|column| *column == name.trim());
        let column = column.ok_or(SheetError::Column { name })?;
        if order.contains(&column) {
            return Err(SheetError::Repeated(column.to_owned()));
        }
        order.push(column);
    }
    if !order.contains(&"deviceSerialNumber") {
        return Err(SheetError::NoSerial);
    }
    let read = |(line, cells): (usize, Vec<String>)| Row {
        line,
        device: read_device(&order, cells, directory),
    };
    Ok(lines.map(read).collect())
}

fn read_device(
    order: &[&str],
    cells: Vec<String>,
    directory: &Path,
) -> Result<(NewDevice, Proofs), &'static str> {
    if cells.len() != order.len() {
        return Err("does not have as many cells as the header");
    }
    let mut cells: Vec<_> = order.iter().zip(cells).collect();
    let mut take = |column: &str| {
        let found = cells.iter_mut().find(|(name, _)| **name == column);
        let text = found.map(|(_, cell)| std::mem::take(cell));
        text.filter(|text| !text.is_empty())
    };
    let channels = match take("channels") {
        None => vec![ChannelName::Mqtt],
        Some(text) => read_channels(&text).ok_or("channels are mqtt, coap, onem2m")?,
    };
    let request = take("certificateRequest").map(|path| directory.join(path));
    let proofs = read_proofs(take("credentials").as_deref(), request)?;
    let device = NewDevice {
        device_serial_number: take("deviceSerialNumber").ok_or("has no serial number")?,
        device_vendor: take("deviceVendor"),
        device_model: take("deviceModel"),
        owner_subject: take("ownerSubject"),
        channels,
        credentials: Vec::new(),
    };
    Ok((device, proofs))
}

fn read_channels(text: &str) -> Option<Vec<ChannelName>> {
    let read = |name| match name {
        "mqtt" => Some(ChannelName::Mqtt),
        "coap" => Some(ChannelName::Coap),
        "onem2m" => Some(ChannelName::Onem2m),
        _ => None,
    };
    text.split_whitespace().map(read).collect()
}

/// A password where nothing is said.
fn read_proofs(text: Option<&str>, request: Option<PathBuf>) -> Result<Proofs, &'static str> {
    let mut proofs = Proofs {
        password: text.is_none() && request.is_none(),
        psk: false,
        certificate: request.is_some(),
        request,
    };
    for name in text.unwrap_or_default().split_whitespace() {
        match name {
            "password" => proofs.password = true,
            "psk" => proofs.psk = true,
            "certificate" => proofs.certificate = true,
            _ => return Err("credentials are password, psk, certificate"),
        }
    }
    Ok(proofs)
}

/// Cells line by line, each with the line it begins in; empty lines are left out.
fn read_cells(text: &str) -> Result<Vec<(usize, Vec<String>)>, SheetError> {
    let mut lines = Vec::new();
    let (mut line, mut begun) = (1_usize, 1_usize);
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let mut quotes = Quotes::None;
    for letter in text.chars().chain(['\n']) {
        match (letter, quotes) {
            ('"', Quotes::None) if cell.is_empty() => quotes = Quotes::Open,
            ('"', Quotes::Open) => quotes = Quotes::Closed,
            ('"', Quotes::Closed) => {
                cell.push('"');
                quotes = Quotes::Open;
            }
            (',', Quotes::None | Quotes::Closed) => {
                cells.push(std::mem::take(&mut cell));
                quotes = Quotes::None;
            }
            ('\n', Quotes::None | Quotes::Closed) => {
                if quotes == Quotes::None && cell.ends_with('\r') {
                    cell.pop();
                }
                if !(cells.is_empty() && cell.is_empty()) {
                    cells.push(std::mem::take(&mut cell));
                    lines.push((begun, std::mem::take(&mut cells)));
                }
                quotes = Quotes::None;
                begun = line.saturating_add(1);
            }
            // Before the end of the line alone.
            ('\r', Quotes::Closed) => {}
            (_, Quotes::Closed) => return Err(SheetError::Quotes(line)),
            (letter, _) => cell.push(letter),
        }
        if letter == '\n' {
            line = line.saturating_add(1);
        }
    }
    if quotes != Quotes::None || !cell.is_empty() {
        return Err(SheetError::Quotes(begun));
    }
    Ok(lines)
}

/// Where a letter stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// In a cell without quotes.
    None,
    /// Between quotes.
    Open,
    /// Behind a quote that ended the cell, unless another follows.
    Closed,
}

#[cfg(test)]
mod tests;
