//! What there is to ask for (channels.md C): paths, and the ways in which each is asked.

use ics_core::id::DeviceId;

use crate::message::{Code, Method};

/// A resource of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    /// What resources there are.
    Discovery,
    /// The mapping document: GET, observe.
    Document,
    /// What the device holds: POST.
    Acknowledgement,
    /// Its pairs that hold: GET, FETCH.
    Inquiry,
    /// It gives one up: POST.
    Revocation,
    /// It says something to a service: POST.
    Event,
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Astray {
    /// There is nothing.
    Unknown,
    /// It is another device's; whether there is such a device is not told.
    Foreign,
    /// It is not asked in this way.
    Method,
}

impl Astray {
    /// What is answered.
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::Unknown => Code::NOT_FOUND,
            Self::Foreign => Code::FORBIDDEN,
            Self::Method => Code::METHOD_NOT_ALLOWED,
        }
    }
}

impl Astray {
    /// The word that is answered.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "no_resource",
            Self::Foreign => "foreign",
            Self::Method => "bad_method",
        }
    }
}

impl Resource {
    /// The resource of that path, asked in that way by `device`: below `/ics/v1`, or below
    /// `/ics/v1/d/<its own ID>`.
    pub(crate) fn find(path: &[String], method: Method, device: &DeviceId) -> Result<Self, Astray> {
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let resource = match segments.as_slice() {
            [".well-known", "core"] => Some(Self::Discovery),
            ["ics", "v1", "d", named, own @ ..] => {
                if *named != device.as_str() {
                    return Err(Astray::Foreign);
                }
                Self::own(own)
            }
            ["ics", "v1", own @ ..] => Self::own(own),
            _ => None,
        };
        let resource = resource.ok_or(Astray::Unknown)?;
        if resource.is_asked_by(method) {
            Ok(resource)
        } else {
            Err(Astray::Method)
        }
    }

    fn own(path: &[&str]) -> Option<Self> {
        match path {
            ["doc"] => Some(Self::Document),
            ["doc", "ack"] => Some(Self::Acknowledgement),
            ["inq"] => Some(Self::Inquiry),
            ["rev"] => Some(Self::Revocation),
            ["evt"] => Some(Self::Event),
            _ => None,
        }
    }

    const fn is_asked_by(self, method: Method) -> bool {
        match self {
            Self::Discovery | Self::Document => matches!(method, Method::Get),
            Self::Inquiry => matches!(method, Method::Get | Method::Fetch),
            Self::Acknowledgement | Self::Revocation | Self::Event => {
                matches!(method, Method::Post)
            }
        }
    }
}

/// Whether the path is that of discovery: the one resource that is told to everybody.
pub(crate) fn is_discovery(path: &[String]) -> bool {
    matches!(path, [well_known, core] if well_known == ".well-known" && core == "core")
}

/// What there is, in the format of RFC 6690; below 256 bytes.
pub(crate) const DISCOVERY: &str = "</ics/v1/doc>;rt=\"ics.doc\";ct=\"50 60\";obs,\
    </ics/v1/doc/ack>;rt=\"ics.ack\";ct=\"50 60\",</ics/v1/inq>;rt=\"ics.inq\";ct=\"50 60\",\
    </ics/v1/rev>;rt=\"ics.rev\";ct=\"50 60\",</ics/v1/evt>;rt=\"ics.evt\";ct=\"50 60\"";

#[cfg(test)]
mod tests;
