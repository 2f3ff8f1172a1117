//! A row of the mapping table. Its id is the tail of its key.

use ics_core::id::{AgreementId, ConsentId, MappingId, SubscriptionId};
use ics_core::mapping::{Consent, Dispatch, FailureCause, Features, Mapping, State};

use super::fields::{Sink, Source, named};
use super::value::{
    attribute, callback, cause_code, device_id, index, mapping_key, put_attribute, put_callback,
    put_cause_code, put_index, put_mapping_key, put_sealed, sealed, sp,
};
use super::{Record, RecordError};

impl Record for Mapping {
    /// 2: whether notifications go by websocket; 3: the hosted device it is for, if any; 4: what is
    /// kept of the consent, and whose device it is.
    const VERSION: u8 = 4;

    fn write(&self, out: &mut impl Sink) {
        out.key_id("mappingId", self.id.as_bytes());
        put_mapping_key(out, &self.key);
        out.text("thirdPartySpId", self.third_party_sp.as_str());
        out.text("iotSpId", self.iot_sp.as_str());
        out.id("agreementId", self.agreement.as_bytes());
        out.option("userConsent", self.consent.as_ref(), |out, name, v| {
            out.group(name, |out| write_consent(out, v));
        });
        put_index(out, "serialIndex", self.serial_index);
        out.option("deviceVendor", self.device_vendor.as_ref(), put_attribute);
        out.option("deviceModel", self.device_model.as_ref(), put_attribute);
        out.option("e2eSealed", self.e2e.as_ref(), put_sealed);
        out.option(
            "notificationDestination",
            self.destination.as_ref(),
            put_callback,
        );
        out.option("subscriptionId", self.subscription, |out, name, v| {
            out.id(name, v.as_bytes());
        });
        out.number("features", u64::from(self.features.0));
        out.option("utiExpiry", self.uti_expiry, Sink::instant);
        out.group("state", |out| write_state(out, &self.state));
        out.instant("createTime", self.created);
        out.instant("updateTime", self.updated);
        out.number("sequence", self.sequence);
        out.number("version", self.version);
        out.flag("websocket", self.websocket);
        out.option("hostedDeviceId", self.hosted.as_ref(), |out, name, v| {
            out.text(name, v.as_str());
        });
        out.option("consentRecordId", self.consent_record, |out, name, v| {
            out.id(name, v.as_bytes());
        });
        out.option("ownerIndex", self.owner, put_index);
    }

    fn read(format: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self {
            id: MappingId::from_bytes(input.key_id("mappingId")?),
            key: mapping_key(input)?,
            third_party_sp: sp(input, "thirdPartySpId")?,
            iot_sp: sp(input, "iotSpId")?,
            agreement: AgreementId::from_bytes(input.id("agreementId")?),
            consent: input.option("userConsent", |input, name| input.group(name, read_consent))?,
            serial_index: index(input, "serialIndex")?,
            device_vendor: input.option("deviceVendor", attribute)?,
            device_model: input.option("deviceModel", attribute)?,
            e2e: input.option("e2eSealed", sealed)?,
            destination: input.option("notificationDestination", callback)?,
            subscription: input.option("subscriptionId", |input, name| {
                input.id(name).map(SubscriptionId::from_bytes)
            })?,
            features: Features(input.small("features")?),
            uti_expiry: input.option("utiExpiry", Source::instant)?,
            state: input.group("state", read_state)?,
            created: input.instant("createTime")?,
            updated: input.instant("updateTime")?,
            sequence: input.number("sequence")?,
            version: input.number("version")?,
            websocket: format >= 2 && input.flag("websocket")?,
            hosted: if format < 3 {
                None
            } else {
                input.option("hostedDeviceId", device_id)?
            },
            consent_record: if format < 4 {
                None
            } else {
                input.option("consentRecordId", |input, name| {
                    input.id(name).map(ConsentId::from_bytes)
                })?
            },
            owner: if format < 4 {
                None
            } else {
                input.option("ownerIndex", index)?
            },
        })
    }
}

fn write_consent(out: &mut impl Sink, consent: &Consent) {
    put_attribute(out, "consentId", &consent.id);
    put_attribute(out, "purpose", &consent.purpose);
    out.option("subject", consent.subject.as_ref(), put_attribute);
    out.instant("grantedAt", consent.granted_at);
    out.option("expiresAt", consent.expires, Sink::instant);
}

fn read_consent<S: Source>(input: &mut S) -> Result<Consent, RecordError> {
    Ok(Consent {
        id: attribute(input, "consentId")?,
        purpose: attribute(input, "purpose")?,
        subject: input.option("subject", attribute)?,
        granted_at: input.instant("grantedAt")?,
        expires: input.option("expiresAt", Source::instant)?,
    })
}

/// By number; zero is none of them.
const STATES: [&str; 6] = ["", "PENDING", "ESTABLISHED", "FAILING", "FAILED", "DELETED"];

named!(Dispatch {
    "DISPATCHING": [Dispatch::Dispatching],
    "AWAITING_DEVICE": [Dispatch::AwaitingDevice],
    "OFFERED": [Dispatch::Offered],
});

fn write_state(out: &mut impl Sink, state: &State) {
    let mut tag = |number| out.tag("status", number, &STATES);
    match state {
        State::Pending {
            serial,
            deadline,
            dispatch,
        } => {
            tag(1);
            put_sealed(out, "serialSealed", serial);
            out.instant("deadline", *deadline);
            out.choice("dispatch", *dispatch);
        }
        State::Established { device_id, since } => {
            tag(2);
            out.text("deviceId", device_id.as_str());
            out.instant("since", *since);
        }
        State::Failing {
            cause,
            disclose_at,
            at,
            deadline,
        } => {
            tag(3);
            write_failure_cause(out, cause);
            out.instant("discloseAt", *disclose_at);
            out.instant("at", *at);
            out.instant("deadline", *deadline);
        }
        State::Failed {
            cause,
            at,
            purge_at,
        } => {
            tag(4);
            write_failure_cause(out, cause);
            out.instant("at", *at);
            out.instant("purgeAt", *purge_at);
        }
        State::Deleted {
            cause,
            sub_cause,
            by,
            at,
            purge_at,
        } => {
            tag(5);
            out.option("cause", *cause, Sink::choice);
            out.option("subCause", sub_cause.as_ref(), put_cause_code);
            out.choice("by", *by);
            out.instant("at", *at);
            out.instant("purgeAt", *purge_at);
        }
    }
}

fn read_state<S: Source>(input: &mut S) -> Result<State, RecordError> {
    Ok(match input.tag("status", &STATES)? {
        1 => State::Pending {
            serial: sealed(input, "serialSealed")?,
            deadline: input.instant("deadline")?,
            dispatch: input.choice("dispatch")?,
        },
        2 => State::Established {
            device_id: device_id(input, "deviceId")?,
            since: input.instant("since")?,
        },
        3 => State::Failing {
            cause: read_failure_cause(input)?,
            disclose_at: input.instant("discloseAt")?,
            at: input.instant("at")?,
            deadline: input.instant("deadline")?,
        },
        4 => State::Failed {
            cause: read_failure_cause(input)?,
            at: input.instant("at")?,
            purge_at: input.instant("purgeAt")?,
        },
        5 => State::Deleted {
            cause: input.option("cause", Source::choice)?,
            sub_cause: input.option("subCause", cause_code)?,
            by: input.choice("by")?,
            at: input.instant("at")?,
            purge_at: input.instant("purgeAt")?,
        },
        _ => return Err(RecordError::Value),
    })
}

const FAILURE_CAUSES: [&str; 9] = [
    "REJECTED",
    "UNREACHABLE",
    "TIMED_OUT",
    "NO_AGREEMENT",
    "CONSENT_REQUIRED",
    "UTI_IN_USE",
    "DEVICE_REVOKED",
    "NOT_ALLOWED",
    "NOT_OWNER",
];

fn write_failure_cause(out: &mut impl Sink, cause: &FailureCause) {
    let number = match cause {
        FailureCause::Rejected(_) => 0,
        FailureCause::Unreachable => 1,
        FailureCause::TimedOut => 2,
        FailureCause::NoAgreement => 3,
        FailureCause::ConsentRequired => 4,
        FailureCause::UtiInUse => 5,
        FailureCause::DeviceRevoked => 6,
        FailureCause::NotAllowed => 7,
        FailureCause::NotOwner => 8,
    };
    out.tag("cause", number, &FAILURE_CAUSES);
    if let FailureCause::Rejected(code) = cause {
        put_cause_code(out, "subCause", code);
    }
}

fn read_failure_cause(input: &mut impl Source) -> Result<FailureCause, RecordError> {
    Ok(match input.tag("cause", &FAILURE_CAUSES)? {
        0 => FailureCause::Rejected(cause_code(input, "subCause")?),
        1 => FailureCause::Unreachable,
        2 => FailureCause::TimedOut,
        3 => FailureCause::NoAgreement,
        4 => FailureCause::ConsentRequired,
        5 => FailureCause::UtiInUse,
        6 => FailureCause::DeviceRevoked,
        7 => FailureCause::NotAllowed,
        8 => FailureCause::NotOwner,
        _ => return Err(RecordError::Value),
    })
}
