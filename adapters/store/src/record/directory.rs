//! Records of the directory: parties, agreements, subscriptions, certificates; fences and jobs.

use std::num::NonZeroU32;
use std::sync::Arc;

use ics_core::directory::DirectoryRecord;
use ics_core::id::{AgreementId, Origin, ServicePrefix, SubscriptionId};
use ics_core::mapping::Features;
use ics_core::party::{
    Agreement, CertificateRecord, ConsentMode, Exposure, Limits, Party, PartyStatus, SerialMatcher,
    SerialNamespace, Subscription,
};
use ics_core::principal::{CertificateSerial, CertificateThumbprint};

use super::bytes::{Decoder, Encoder};
use super::{Record, RecordError, open};

impl Record for DirectoryRecord {
    /// 2: a subscription may do without a destination, and go by websocket.
    const VERSION: u8 = 2;

    fn write(&self, out: &mut Encoder) {
        // The version first, so that it can be compared without reading the rest.
        out.number(self.version());
        match self {
            Self::Party(party) => {
                out.byte(0);
                out.party(party);
            }
            Self::Agreement(agreement) => {
                out.byte(1);
                out.agreement(agreement);
            }
            Self::Subscription(subscription) => {
                out.byte(2);
                out.subscription(subscription);
            }
            Self::Certificate(certificate) => {
                out.byte(3);
                out.certificate(certificate);
            }
            Self::Fence(fence) => {
                out.byte(4);
                out.fence(fence);
            }
            Self::Job(job) => {
                out.byte(5);
                out.job(job);
            }
        }
    }

    fn read(format: u8, input: &mut Decoder<'_>) -> Result<Self, RecordError> {
        let version = input.number()?;
        Ok(match input.byte()? {
            0 => Self::Party(Arc::new(input.party(version)?)),
            1 => Self::Agreement(Arc::new(input.agreement(version)?)),
            2 => Self::Subscription(Arc::new(input.subscription(format, version)?)),
            3 => Self::Certificate(Arc::new(input.certificate(version)?)),
            4 => Self::Fence(Arc::new(input.fence()?)),
            5 => Self::Job(Arc::new(input.job(version)?)),
            _ => return Err(RecordError::Value),
        })
    }
}

/// The version of a directory record, without reading the rest of it.
pub(crate) fn peek_version(key: &[u8], bytes: &[u8]) -> Result<u64, RecordError> {
    let (_, fields) = open(key, bytes, DirectoryRecord::VERSION)?;
    Decoder::new(key, fields).number()
}

impl Encoder {
    fn party(&mut self, party: &Party) {
        self.text(party.id.as_str());
        self.flag(party.third_party_sp);
        self.flag(party.iot_sp);
        self.byte(match party.status {
            PartyStatus::Active => 0,
            PartyStatus::Suspended => 1,
            PartyStatus::Removed => 2,
        });
        self.list(&party.services, |out, v| out.text(v.as_str()));
        self.list(&party.serial_namespaces, Self::namespace);
        self.list(&party.callback_origins, |out, v| out.text(v.as_str()));
        self.option(party.token_endpoint.as_ref(), |out, v| out.text(v.as_str()));
        self.number(u64::from(party.limits.requests_per_second.get()));
        self.number(u64::from(party.limits.failed_mappings_per_day.get()));
        self.instant(party.created);
    }

    fn namespace(&mut self, namespace: &SerialNamespace) {
        self.option(namespace.vendor.as_ref(), |out, v| out.text(v.as_str()));
        let (is_pattern, text) = namespace.matcher.as_text();
        self.flag(is_pattern);
        self.text(text);
    }

    fn agreement(&mut self, agreement: &Agreement) {
        self.raw(agreement.id.as_bytes());
        self.text(agreement.iot_sp.as_str());
        self.text(agreement.third_party_sp.as_str());
        self.list(&agreement.services, |out, v| out.text(v.as_str()));
        self.instant(agreement.valid_from);
        self.option(agreement.valid_until, Self::instant);
        self.byte(match agreement.consent_mode {
            ConsentMode::Asserted => 0,
            ConsentMode::AuthCode => 1,
            ConsentMode::IotSpConfirm => 2,
        });
        self.byte(match agreement.exposure {
            Exposure::Raw => 0,
            Exposure::Pairwise => 1,
        });
        self.option(agreement.ended, Self::instant);
    }

    fn subscription(&mut self, subscription: &Subscription) {
        self.raw(subscription.id.as_bytes());
        self.text(subscription.iot_sp.as_str());
        self.list(&subscription.serial_namespaces, Self::namespace);
        self.option(subscription.destination.as_ref(), |out, v| {
            out.text(v.as_str())
        });
        self.flag(subscription.websocket);
        self.number(u64::from(subscription.features.0));
        self.instant(subscription.created);
    }

    fn certificate(&mut self, certificate: &CertificateRecord) {
        self.bytes(certificate.serial.as_bytes());
        self.option(certificate.thumbprint, |out, v| out.raw(&v.0));
        self.text(certificate.sp.as_str());
        self.instant(certificate.not_after);
        self.option(certificate.revoked, Self::instant);
    }
}

impl Decoder<'_> {
    fn party(&mut self, version: u64) -> Result<Party, RecordError> {
        Ok(Party {
            id: self.sp()?,
            third_party_sp: self.flag()?,
            iot_sp: self.flag()?,
            status: match self.byte()? {
                0 => PartyStatus::Active,
                1 => PartyStatus::Suspended,
                2 => PartyStatus::Removed,
                _ => return Err(RecordError::Value),
            },
            services: self.list(Self::service_prefix)?,
            serial_namespaces: self.list(Self::namespace)?,
            callback_origins: self.list(|input| Ok(Origin::parse(input.text()?)?))?,
            token_endpoint: self.option(Self::callback)?,
            limits: Limits {
                requests_per_second: self.limit()?,
                failed_mappings_per_day: self.limit()?,
            },
            created: self.instant()?,
            version,
        })
    }

    fn service_prefix(&mut self) -> Result<ServicePrefix, RecordError> {
        Ok(ServicePrefix::parse(self.text()?)?)
    }

    fn limit(&mut self) -> Result<NonZeroU32, RecordError> {
        NonZeroU32::new(self.small()?).ok_or(RecordError::Value)
    }

    fn namespace(&mut self) -> Result<SerialNamespace, RecordError> {
        let vendor = self.option(Self::attribute)?;
        let is_pattern = self.flag()?;
        let text = self.text()?;
        let matcher = if is_pattern {
            SerialMatcher::pattern(text)
        } else {
            SerialMatcher::prefix(text)
        }?;
        Ok(SerialNamespace { vendor, matcher })
    }

    fn agreement(&mut self, version: u64) -> Result<Agreement, RecordError> {
        Ok(Agreement {
            id: AgreementId::from_bytes(self.array()?),
            iot_sp: self.sp()?,
            third_party_sp: self.sp()?,
            services: self.list(Self::service_prefix)?,
            valid_from: self.instant()?,
            valid_until: self.option(Self::instant)?,
            consent_mode: match self.byte()? {
                0 => ConsentMode::Asserted,
                1 => ConsentMode::AuthCode,
                2 => ConsentMode::IotSpConfirm,
                _ => return Err(RecordError::Value),
            },
            exposure: match self.byte()? {
                0 => Exposure::Raw,
                1 => Exposure::Pairwise,
                _ => return Err(RecordError::Value),
            },
            ended: self.option(Self::instant)?,
            version,
        })
    }

    fn subscription(&mut self, format: u8, version: u64) -> Result<Subscription, RecordError> {
        let destination = |input: &mut Self| match format {
            1 => input.callback().map(Some),
            _ => input.option(Self::callback),
        };
        Ok(Subscription {
            id: SubscriptionId::from_bytes(self.array()?),
            iot_sp: self.sp()?,
            serial_namespaces: self.list(Self::namespace)?,
            destination: destination(self)?,
            websocket: format >= 2 && self.flag()?,
            features: Features(self.small()?),
            created: self.instant()?,
            version,
        })
    }

    fn certificate(&mut self, version: u64) -> Result<CertificateRecord, RecordError> {
        Ok(CertificateRecord {
            serial: CertificateSerial::from_der_integer(self.bytes()?),
            thumbprint: self.option(|input| input.array().map(CertificateThumbprint))?,
            sp: self.sp()?,
            not_after: self.instant()?,
            revoked: self.option(Self::instant)?,
            version,
        })
    }
}
