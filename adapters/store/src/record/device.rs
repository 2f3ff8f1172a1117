//! A hosted device.

use ics_core::device::{
    Channel, Channels, CredentialId, CredentialKind, DeviceCredential, DeviceStatus, HostedDevice,
    KeySalt, PairingTicket,
};
use ics_core::device_document::DocumentState;
use ics_core::id::MappingId;
use ics_core::principal::CertificateThumbprint;

use super::fields::{Sink, Source, named};
use super::value::{attribute, device_id, index, put_attribute, put_index, put_sealed, sealed, sp};
use super::{Record, RecordError};

named!(Channel {
    "MQTT": [Channel::Mqtt],
    "COAP": [Channel::Coap],
    "ONEM2M": [Channel::OneM2m],
});

impl Record for HostedDevice {
    /// 2: how many credentials it was given. 3: pre-shared keys among them.
    const VERSION: u8 = 3;

    fn write(&self, out: &mut impl Sink) {
        out.text("deviceId", self.id.as_str());
        out.text("iotSpId", self.iot_sp.as_str());
        put_sealed(out, "serialSealed", &self.serial);
        put_index(out, "serialIndex", self.serial_index);
        out.option("vendor", self.vendor.as_ref(), put_attribute);
        out.option("model", self.model.as_ref(), put_attribute);
        out.option("ownerSubject", self.owner.as_ref(), put_attribute);
        let channels: Vec<_> = self.channels.iter().collect();
        out.list("channels", &channels, |out, name, channel| {
            out.choice(name, *channel);
        });
        out.list("credentials", &self.credentials, |out, name, credential| {
            out.group(name, |out| write_credential(out, credential));
        });
        out.number("credentialsGiven", self.credentials_given.into());
        out.list("pairing", &self.pairing, |out, name, ticket| {
            out.group(name, |out| {
                put_index(out, "codeIndex", ticket.index);
                out.instant("notAfter", ticket.not_after);
            });
        });
        out.group("document", |out| write_document(out, &self.document));
        write_status(out, self.status);
        out.instant("createTime", self.created);
        out.instant("updateTime", self.updated);
        out.number("version", self.version);
    }

    fn read(version: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        let mut device = Self {
            id: device_id(input, "deviceId")?,
            iot_sp: sp(input, "iotSpId")?,
            serial: sealed(input, "serialSealed")?,
            serial_index: index(input, "serialIndex")?,
            vendor: input.option("vendor", attribute)?,
            model: input.option("model", attribute)?,
            owner: input.option("ownerSubject", attribute)?,
            channels: Channels::from_iter(
                input.list("channels", |input, name| input.choice::<Channel>(name))?,
            ),
            credentials: input.list("credentials", |input, name| {
                input.group(name, read_credential)
            })?,
            credentials_given: if version < 2 {
                0
            } else {
                input.small("credentialsGiven")?
            },
            pairing: input.list("pairing", |input, name| input.group(name, read_ticket))?,
            document: input.group("document", read_document)?,
            status: read_status(input)?,
            created: input.instant("createTime")?,
            updated: input.instant("updateTime")?,
            version: input.number("version")?,
        };
        let seen = Self::credentials_seen(&device.credentials);
        if version < 2 {
            device.credentials_given = seen;
        }
        // Else the next credential would have the name of one that is there.
        if seen <= device.credentials_given {
            Ok(device)
        } else {
            Err(RecordError::Value)
        }
    }
}

const CREDENTIALS: [&str; 4] = [
    "CERTIFICATE",
    "PASSWORD",
    "CHOSEN_PASSWORD",
    "PRE_SHARED_KEY",
];

fn write_credential(out: &mut impl Sink, credential: &DeviceCredential) {
    out.number("id", credential.id.0.into());
    match credential.kind {
        CredentialKind::Certificate(thumbprint) => {
            out.tag("kind", 0, &CREDENTIALS);
            out.fixed("thumbprint", &thumbprint.0);
        }
        CredentialKind::Password(hash) => {
            out.tag("kind", 1, &CREDENTIALS);
            put_index(out, "passwordIndex", hash);
        }
        CredentialKind::ChosenPassword(hash) => {
            out.tag("kind", 2, &CREDENTIALS);
            put_index(out, "passwordIndex", hash);
        }
        CredentialKind::PreSharedKey(salt) => {
            out.tag("kind", 3, &CREDENTIALS);
            out.fixed("salt", &salt.0);
        }
    }
    out.instant("notBefore", credential.not_before);
    out.instant("notAfter", credential.not_after);
    out.option("revokedAt", credential.revoked, Sink::instant);
}

fn read_credential<S: Source>(input: &mut S) -> Result<DeviceCredential, RecordError> {
    Ok(DeviceCredential {
        id: CredentialId(input.small("id")?),
        kind: match input.tag("kind", &CREDENTIALS)? {
            0 => CredentialKind::Certificate(CertificateThumbprint(input.fixed("thumbprint")?)),
            1 => CredentialKind::Password(index(input, "passwordIndex")?),
            2 => CredentialKind::ChosenPassword(index(input, "passwordIndex")?),
            3 => CredentialKind::PreSharedKey(KeySalt(input.fixed("salt")?)),
            _ => return Err(RecordError::Value),
        },
        not_before: input.instant("notBefore")?,
        not_after: input.instant("notAfter")?,
        revoked: input.option("revokedAt", Source::instant)?,
    })
}

fn read_ticket<S: Source>(input: &mut S) -> Result<PairingTicket, RecordError> {
    Ok(PairingTicket {
        index: index(input, "codeIndex")?,
        not_after: input.instant("notAfter")?,
    })
}

fn write_document(out: &mut impl Sink, document: &DocumentState) {
    out.number("newest", document.version);
    out.number("acknowledged", document.acknowledged);
    out.list("mappings", &document.rows, |out, name, id| {
        out.id(name, id.as_bytes());
    });
}

fn read_document<S: Source>(input: &mut S) -> Result<DocumentState, RecordError> {
    let document = DocumentState {
        version: input.number("newest")?,
        acknowledged: input.number("acknowledged")?,
        rows: input.list("mappings", |input, name| {
            input.id(name).map(MappingId::from_bytes)
        })?,
    };
    // A search relies on the order; the device on the rest.
    let is_sorted = document.rows.is_sorted_by(|a, b| a < b);
    if is_sorted && document.acknowledged <= document.version {
        Ok(document)
    } else {
        Err(RecordError::Value)
    }
}

const STATUSES: [&str; 2] = ["ACTIVE", "UNREGISTERING"];

fn write_status(out: &mut impl Sink, status: DeviceStatus) {
    match status {
        DeviceStatus::Active => out.tag("status", 0, &STATUSES),
        DeviceStatus::Unregistering { deadline } => {
            out.tag("status", 1, &STATUSES);
            out.instant("deadline", deadline);
        }
    }
}

fn read_status(input: &mut impl Source) -> Result<DeviceStatus, RecordError> {
    Ok(match input.tag("status", &STATUSES)? {
        0 => DeviceStatus::Active,
        1 => DeviceStatus::Unregistering {
            deadline: input.instant("deadline")?,
        },
        _ => return Err(RecordError::Value),
    })
}
