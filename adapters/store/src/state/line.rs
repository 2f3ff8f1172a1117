//! One line: header, record, or trailer.

use ics_core::consent::ConsentRecord;
use ics_core::device::HostedDevice;
use ics_core::directory::DirectoryRecord;
use ics_core::keepsake::Keepsake;
use ics_core::mapping::{Mapping, UtiRecord};
use ics_core::outbox::OutboxEntry;
use ics_core::sealed::BlindIndex;
use ics_core::time::Timestamp;
use ics_core::timekeeping::ClockMark;

use super::{EXPORTED, STATE_FORMAT, exported_in};
use crate::hashing::{Hash, hex};
use crate::record::{
    Canary, JsonSink, JsonSource, KINDS, Misfit, Record, RecordError, Sink, Source,
};

/// A record that is exported, with what only its key tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StateRecord {
    Canary(Canary),
    ClockMark(ClockMark),
    Mapping(Box<Mapping>),
    UtiRecord(BlindIndex, UtiRecord),
    DeadDevice(BlindIndex),
    Outbox(Box<OutboxEntry>),
    Directory(DirectoryRecord),
    Device(Box<HostedDevice>),
    Keepsake(Keepsake),
    Consent(Box<ConsentRecord>),
}

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) taken: Timestamp,
    /// By place in [`EXPORTED`], how each kind is written.
    pub(crate) versions: [u8; EXPORTED.len()],
    /// By place in [`EXPORTED`], how many there are.
    pub(crate) counts: [u64; EXPORTED.len()],
}

/// What the last line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) records: u64,
    pub(crate) digest: u64,
    pub(crate) sha256: Hash,
}

/// Any line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    Header(Header),
    Record(StateRecord),
    Trailer(Trailer),
}

/// The words of the member `record`, by number.
const RECORDS: [&str; 12] = [
    "canary",
    "clock mark",
    "mapping",
    "UTI record",
    "dead device",
    "outbox entry",
    "directory record",
    "hosted device",
    "keepsake",
    "consent",
    "header",
    "trailer",
];

/// The newest version of each exported kind that this software reads, and the one it writes.
pub(crate) fn own_versions() -> [u8; EXPORTED.len()] {
    EXPORTED.map(|kind| {
        let known = KINDS.iter().find(|(name, _)| *name == kind);
        known.map_or(0, |(_, version)| *version)
    })
}

impl StateRecord {
    /// Its place in [`EXPORTED`].
    pub(crate) const fn place(&self) -> usize {
        match self {
            Self::Canary(_) => 0,
            Self::ClockMark(_) => 1,
            Self::Mapping(_) => 2,
            Self::UtiRecord(..) => 3,
            Self::DeadDevice(_) => 4,
            Self::Outbox(_) => 5,
            Self::Directory(_) => 6,
            Self::Device(_) => 7,
            Self::Keepsake(_) => 8,
            Self::Consent(_) => 9,
        }
    }

    fn write(&self, out: &mut impl Sink) {
        match self {
            Self::Canary(canary) => canary.write(out),
            Self::ClockMark(mark) => mark.write(out),
            Self::Mapping(row) => row.write(out),
            Self::UtiRecord(index, record) => {
                out.fixed("utiIndex", index.as_bytes());
                record.write(out);
            }
            Self::DeadDevice(index) => out.fixed("deviceIndex", index.as_bytes()),
            Self::Outbox(entry) => entry.write(out),
            Self::Directory(record) => record.write(out),
            Self::Device(device) => device.write(out),
            Self::Keepsake(keepsake) => keepsake.write(out),
            Self::Consent(consent) => consent.write(out),
        }
    }

    fn read(place: u8, version: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(match place {
            0 => Self::Canary(Canary::read(version, input)?),
            1 => Self::ClockMark(ClockMark::read(version, input)?),
            2 => Self::Mapping(Box::new(Mapping::read(version, input)?)),
            3 => {
                let index = BlindIndex::from_bytes(input.fixed("utiIndex")?);
                Self::UtiRecord(index, UtiRecord::read(version, input)?)
            }
            4 => Self::DeadDevice(BlindIndex::from_bytes(input.fixed("deviceIndex")?)),
            5 => Self::Outbox(Box::new(OutboxEntry::read(version, input)?)),
            6 => Self::Directory(DirectoryRecord::read(version, input)?),
            7 => Self::Device(Box::new(HostedDevice::read(version, input)?)),
            8 => Self::Keepsake(Keepsake::read(version, input)?),
            9 => Self::Consent(Box::new(ConsentRecord::read(version, input)?)),
            _ => return Err(RecordError::Value),
        })
    }
}

impl Line {
    /// The line, with its end.
    pub(crate) fn render(&self) -> Vec<u8> {
        match self {
            Self::Header(header) => {
                let mut out = JsonSink::begin("header");
                header.write(&mut out);
                out.end()
            }
            Self::Record(record) => {
                let mut out = JsonSink::begin(EXPORTED.get(record.place()).unwrap_or(&""));
                record.write(&mut out);
                out.end()
            }
            Self::Trailer(trailer) => {
                let mut out = JsonSink::begin("trailer");
                out.number("records", trailer.records);
                out.text("digest", &format!("{:016x}", trailer.digest));
                out.text("sha256", &hex(&trailer.sha256));
                out.end()
            }
        }
    }

    /// Reads a line; records as `versions` say, by place in [`EXPORTED`].
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn parse(line: &[u8], versions: &[u8]) -> Result<Self, Misfit> {
        Self::parse_judged(line, versions).map(|(line, _)| line)
    }

    /// The same, with the first field that holds an identifier which no request could bring.
    pub(crate) fn parse_judged(
        line: &[u8],
        versions: &[u8],
    ) -> Result<(Self, Option<String>), Misfit> {
        JsonSource::parse(line)?.read_judged(|input| {
            Ok(match input.tag("record", &RECORDS)? {
                10 => Self::Header(Header::read(input)?),
                11 => Self::Trailer(Trailer::read(input)?),
                place => {
                    let version = versions.get(usize::from(place)).copied();
                    let version = version.ok_or(RecordError::Value)?;
                    Self::Record(StateRecord::read(place, version, input)?)
                }
            })
        })
    }
}

impl Header {
    fn write(&self, out: &mut impl Sink) {
        out.number("format", STATE_FORMAT);
        out.instant("taken", self.taken);
        out.group("versions", |out| {
            for (kind, version) in EXPORTED.into_iter().zip(self.versions) {
                out.number(kind, version.into());
            }
        });
        out.group("counts", |out| {
            for (kind, count) in EXPORTED.into_iter().zip(self.counts) {
                out.number(kind, count);
            }
        });
    }

    fn read(input: &mut JsonSource) -> Result<Self, RecordError> {
        let format = input.number("format")?;
        if format > STATE_FORMAT {
            return Err(input.refuse("is that of a later version"));
        }
        if format == 0 {
            return Err(input.refuse("is that of no version"));
        }
        let mut header = Self {
            taken: input.instant("taken")?,
            versions: [0; EXPORTED.len()],
            counts: [0; EXPORTED.len()],
        };
        let known = own_versions();
        let kinds = exported_in(format);
        input.group("versions", |input| {
            for ((kind, known), version) in EXPORTED
                .into_iter()
                .take(kinds)
                .zip(known)
                .zip(&mut header.versions)
            {
                let found = u8::try_from(input.number(kind)?).unwrap_or(u8::MAX);
                if found > known || found == 0 {
                    return Err(input.refuse("is none that this version reads"));
                }
                *version = found;
            }
            Ok(())
        })?;
        input.group("counts", |input| {
            for (kind, count) in EXPORTED.into_iter().take(kinds).zip(&mut header.counts) {
                *count = input.number(kind)?;
            }
            Ok(())
        })?;
        Ok(header)
    }
}

impl Trailer {
    fn read(input: &mut JsonSource) -> Result<Self, RecordError> {
        let records = input.number("records")?;
        let digest = parse_hex::<8>(&input.text("digest")?);
        let digest = digest.ok_or_else(|| input.refuse("is no hexadecimal digest"))?;
        let sha256 = parse_hex::<32>(&input.text("sha256")?);
        let sha256 = sha256.ok_or_else(|| input.refuse("is no hexadecimal SHA-256"))?;
        Ok(Self {
            records,
            digest: u64::from_be_bytes(digest),
            sha256,
        })
    }
}

/// `N` bytes in lower-case hexadecimal.
fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    // One value has one spelling.
    (hex(&bytes) == text).then_some(bytes)
}
