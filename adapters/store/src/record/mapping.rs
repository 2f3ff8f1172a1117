//! A row of the mapping table. Its id is the tail of its key.

use ics_core::id::{
    AgreementId, CallbackUri, DeviceId, MappingId, ServiceUri, SpId, SubscriptionId, Uti,
};
use ics_core::mapping::{
    Attribute, CauseCode, Consent, DemappingCause, Dispatch, EndedBy, FailureCause, Features,
    Mapping, MappingKey, State,
};
use ics_core::reference_point::Role;
use ics_core::sealed::{BlindIndex, Sealed};

use super::bytes::{Decoder, Encoder};
use super::{Record, RecordError};

impl Record for Mapping {
    /// 2: whether notifications go by websocket.
    const VERSION: u8 = 2;

    fn write(&self, out: &mut Encoder) {
        out.mapping_key(&self.key);
        out.text(self.third_party_sp.as_str());
        out.text(self.iot_sp.as_str());
        out.raw(self.agreement.as_bytes());
        out.option(self.consent.as_ref(), Encoder::consent);
        out.raw(self.serial_index.as_bytes());
        out.option(self.device_vendor.as_ref(), |out, v| out.text(v.as_str()));
        out.option(self.device_model.as_ref(), |out, v| out.text(v.as_str()));
        out.option(self.e2e.as_ref(), |out, v| out.bytes(v.as_bytes()));
        out.option(self.destination.as_ref(), |out, v| out.text(v.as_str()));
        out.option(self.subscription, |out, v| out.raw(v.as_bytes()));
        out.number(u64::from(self.features.0));
        out.option(self.uti_expiry, Encoder::instant);
        out.state(&self.state);
        out.instant(self.created);
        out.instant(self.updated);
        out.number(self.sequence);
        out.number(self.version);
        out.flag(self.websocket);
    }

    fn read(format: u8, input: &mut Decoder<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            id: MappingId::from_bytes(input.key_tail()?),
            key: input.mapping_key()?,
            third_party_sp: input.sp()?,
            iot_sp: input.sp()?,
            agreement: AgreementId::from_bytes(input.array()?),
            consent: input.option(Decoder::consent)?,
            serial_index: BlindIndex::from_bytes(input.array()?),
            device_vendor: input.option(Decoder::attribute)?,
            device_model: input.option(Decoder::attribute)?,
            e2e: input.option(Decoder::sealed)?,
            destination: input.option(Decoder::callback)?,
            subscription: input.option(|input| input.array().map(SubscriptionId::from_bytes))?,
            features: Features(input.small()?),
            uti_expiry: input.option(Decoder::instant)?,
            state: input.state()?,
            created: input.instant()?,
            updated: input.instant()?,
            sequence: input.number()?,
            version: input.number()?,
            websocket: format >= 2 && input.flag()?,
        })
    }
}

impl Encoder {
    pub(super) fn mapping_key(&mut self, key: &MappingKey) {
        self.text(key.service_uri.as_str());
        self.text(key.uti.as_str());
    }

    fn consent(&mut self, consent: &Consent) {
        self.text(consent.id.as_str());
        self.text(consent.purpose.as_str());
        self.option(consent.subject.as_ref(), |out, v| out.text(v.as_str()));
        self.instant(consent.granted_at);
        self.option(consent.expires, Self::instant);
    }

    fn state(&mut self, state: &State) {
        match state {
            State::Pending {
                serial,
                deadline,
                dispatch,
            } => {
                self.byte(1);
                self.bytes(serial.as_bytes());
                self.instant(*deadline);
                self.byte(match dispatch {
                    Dispatch::Dispatching => 0,
                    Dispatch::AwaitingDevice => 1,
                });
            }
            State::Established { device_id, since } => {
                self.byte(2);
                self.text(device_id.as_str());
                self.instant(*since);
            }
            State::Failing {
                cause,
                disclose_at,
                at,
                deadline,
            } => {
                self.byte(3);
                self.failure_cause(cause);
                self.instant(*disclose_at);
                self.instant(*at);
                self.instant(*deadline);
            }
            State::Failed {
                cause,
                at,
                purge_at,
            } => {
                self.byte(4);
                self.failure_cause(cause);
                self.instant(*at);
                self.instant(*purge_at);
            }
            State::Deleted {
                cause,
                sub_cause,
                by,
                at,
                purge_at,
            } => {
                self.byte(5);
                self.option(*cause, Self::demapping_cause);
                self.option(sub_cause.as_ref(), |out, v| out.text(v.as_str()));
                self.byte(match by {
                    EndedBy::Party(role) => role_byte(*role),
                    EndedBy::Ics => 2,
                });
                self.instant(*at);
                self.instant(*purge_at);
            }
        }
    }

    fn failure_cause(&mut self, cause: &FailureCause) {
        match cause {
            FailureCause::Rejected(code) => {
                self.byte(0);
                self.text(code.as_str());
            }
            FailureCause::Unreachable => self.byte(1),
            FailureCause::TimedOut => self.byte(2),
            FailureCause::NoAgreement => self.byte(3),
            FailureCause::ConsentRequired => self.byte(4),
            FailureCause::UtiInUse => self.byte(5),
            FailureCause::DeviceRevoked => self.byte(6),
        }
    }

    pub(super) fn demapping_cause(&mut self, cause: DemappingCause) {
        self.byte(match cause {
            DemappingCause::DeviceUnregistered => 0,
            DemappingCause::UtiInvalid => 1,
            DemappingCause::ServiceInvalid => 2,
            DemappingCause::UserAuthorizationWithdrawn => 3,
        });
    }
}

impl Decoder<'_> {
    pub(super) fn mapping_key(&mut self) -> Result<MappingKey, RecordError> {
        Ok(MappingKey {
            service_uri: ServiceUri::from_store(self.text()?)?,
            uti: Uti::from_store(self.text()?)?,
        })
    }

    pub(super) fn sp(&mut self) -> Result<SpId, RecordError> {
        Ok(SpId::parse(self.text()?)?)
    }

    pub(super) fn attribute(&mut self) -> Result<Attribute, RecordError> {
        Ok(Attribute::from_store(self.text()?)?)
    }

    pub(super) fn callback(&mut self) -> Result<CallbackUri, RecordError> {
        Ok(CallbackUri::from_store(self.text()?)?)
    }

    pub(super) fn device_id(&mut self) -> Result<DeviceId, RecordError> {
        Ok(DeviceId::from_store(self.text()?)?)
    }

    pub(super) fn cause_code(&mut self) -> Result<CauseCode, RecordError> {
        Ok(CauseCode::parse(self.text()?)?)
    }

    fn sealed(&mut self) -> Result<Sealed, RecordError> {
        Ok(Sealed::from_bytes(self.bytes()?.to_vec()))
    }

    fn consent(&mut self) -> Result<Consent, RecordError> {
        Ok(Consent {
            id: self.attribute()?,
            purpose: self.attribute()?,
            subject: self.option(Self::attribute)?,
            granted_at: self.instant()?,
            expires: self.option(Self::instant)?,
        })
    }

    fn state(&mut self) -> Result<State, RecordError> {
        Ok(match self.byte()? {
            1 => State::Pending {
                serial: self.sealed()?,
                deadline: self.instant()?,
                dispatch: match self.byte()? {
                    0 => Dispatch::Dispatching,
                    1 => Dispatch::AwaitingDevice,
                    _ => return Err(RecordError::Value),
                },
            },
            2 => State::Established {
                device_id: self.device_id()?,
                since: self.instant()?,
            },
            3 => State::Failing {
                cause: self.failure_cause()?,
                disclose_at: self.instant()?,
                at: self.instant()?,
                deadline: self.instant()?,
            },
            4 => State::Failed {
                cause: self.failure_cause()?,
                at: self.instant()?,
                purge_at: self.instant()?,
            },
            5 => State::Deleted {
                cause: self.option(Self::demapping_cause)?,
                sub_cause: self.option(Self::cause_code)?,
                by: match self.byte()? {
                    2 => EndedBy::Ics,
                    role => EndedBy::Party(role_of(role)?),
                },
                at: self.instant()?,
                purge_at: self.instant()?,
            },
            _ => return Err(RecordError::Value),
        })
    }

    fn failure_cause(&mut self) -> Result<FailureCause, RecordError> {
        Ok(match self.byte()? {
            0 => FailureCause::Rejected(self.cause_code()?),
            1 => FailureCause::Unreachable,
            2 => FailureCause::TimedOut,
            3 => FailureCause::NoAgreement,
            4 => FailureCause::ConsentRequired,
            5 => FailureCause::UtiInUse,
            6 => FailureCause::DeviceRevoked,
            _ => return Err(RecordError::Value),
        })
    }

    pub(super) fn demapping_cause(&mut self) -> Result<DemappingCause, RecordError> {
        Ok(match self.byte()? {
            0 => DemappingCause::DeviceUnregistered,
            1 => DemappingCause::UtiInvalid,
            2 => DemappingCause::ServiceInvalid,
            3 => DemappingCause::UserAuthorizationWithdrawn,
            _ => return Err(RecordError::Value),
        })
    }
}

/// The byte a role is kept as; keeps the order of [`Role`].
pub(crate) const fn role_byte(role: Role) -> u8 {
    match role {
        Role::ThirdPartySp => 0,
        Role::IotSp => 1,
    }
}

pub(super) const fn role_of(byte: u8) -> Result<Role, RecordError> {
    match byte {
        0 => Ok(Role::ThirdPartySp),
        1 => Ok(Role::IotSp),
        _ => Err(RecordError::Value),
    }
}
