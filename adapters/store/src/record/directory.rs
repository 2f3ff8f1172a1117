//! Records of the directory: parties, agreements, subscriptions, certificates; fences and jobs.

use std::num::NonZeroU32;
use std::sync::Arc;

use ics_core::directory::DirectoryRecord;
use ics_core::id::{AeId, AgreementId, Origin, SubscriptionId};
use ics_core::mapping::Features;
use ics_core::party::{
    Agreement, CertificateRecord, ConsentMode, Exposure, Limits, OneM2mAe, OwnershipChallenge,
    Party, PartyStatus, Presence, SerialMatcher, SerialNamespace, ServiceClaim, SignatureAlgorithm,
    Subscription, VerifyingKey,
};
use ics_core::principal::{CertificateSerial, CertificateThumbprint};

use super::bytes::Decoder;
use super::fields::{Sink, Source, named};
use super::sweep::{read_fence, read_job, write_fence, write_job};
use super::value::{
    attribute, callback, put_attribute, put_callback, put_sealed, sealed, service_prefix, sp,
};
use super::{Record, RecordError, open};

const KINDS: [&str; 6] = [
    "SERVICE_PROVIDER",
    "AGREEMENT",
    "SUBSCRIPTION",
    "CERTIFICATE",
    "FENCE",
    "JOB",
];

impl Record for DirectoryRecord {
    /// 2: a subscription may do without a destination, and go by websocket. 3: an agreement may take
    /// a pairing code. 4: a service provider may speak as an AE of oneM2M. 5: it may have services to show.
    /// 6: its users may log in at an OpenID provider.
    const VERSION: u8 = 6;

    fn write(&self, out: &mut impl Sink) {
        // The version first, so that it can be compared without reading the rest.
        out.number("version", self.version());
        let mut tag = |number| out.tag("kind", number, &KINDS);
        match self {
            Self::Party(party) => {
                tag(0);
                write_party(out, party);
            }
            Self::Agreement(agreement) => {
                tag(1);
                write_agreement(out, agreement);
            }
            Self::Subscription(subscription) => {
                tag(2);
                write_subscription(out, subscription);
            }
            Self::Certificate(certificate) => {
                tag(3);
                write_certificate(out, certificate);
            }
            Self::Fence(fence) => {
                tag(4);
                write_fence(out, fence);
            }
            Self::Job(job) => {
                tag(5);
                write_job(out, job);
            }
        }
    }

    fn read(format: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        let version = input.number("version")?;
        Ok(match input.tag("kind", &KINDS)? {
            0 => Self::Party(Arc::new(read_party(input, format, version)?)),
            1 => Self::Agreement(Arc::new(read_agreement(input, format, version)?)),
            2 => Self::Subscription(Arc::new(read_subscription(input, format, version)?)),
            3 => Self::Certificate(Arc::new(read_certificate(input, version)?)),
            4 => Self::Fence(Arc::new(read_fence(input)?)),
            5 => Self::Job(Arc::new(read_job(input, version)?)),
            _ => return Err(RecordError::Value),
        })
    }
}

/// The version of a directory record, without reading the rest of it.
pub(crate) fn peek_version(key: &[u8], bytes: &[u8]) -> Result<u64, RecordError> {
    let (_, fields) = open(key, bytes, DirectoryRecord::VERSION)?;
    Decoder::new(key, fields).varint()
}

named!(PartyStatus {
    "ACTIVE": [PartyStatus::Active],
    "SUSPENDED": [PartyStatus::Suspended],
    "REMOVED": [PartyStatus::Removed],
});

named!(SignatureAlgorithm {
    "ES256": [SignatureAlgorithm::Es256],
    "EdDSA": [SignatureAlgorithm::EdDsa],
});

named!(ConsentMode {
    "ASSERTED": [ConsentMode::Asserted],
    "AUTH_CODE": [ConsentMode::AuthCode],
    "IOT_SP_CONFIRM": [ConsentMode::IotSpConfirm],
});

named!(Exposure {
    "RAW": [Exposure::Raw],
    "PAIRWISE": [Exposure::Pairwise],
});

fn write_party(out: &mut impl Sink, party: &Party) {
    out.text("spId", party.id.as_str());
    out.flag("thirdPartySp", party.third_party_sp);
    out.flag("iotSp", party.iot_sp);
    out.choice("status", party.status);
    out.list("services", &party.services, |out, name, v| {
        out.text(name, v.as_str());
    });
    out.list("serialNamespaces", &party.serial_namespaces, put_namespace);
    out.list(
        "callbackOrigins",
        &party.callback_origins,
        |out, name, v| {
            out.text(name, v.as_str());
        },
    );
    out.option("tokenEndpoint", party.token_endpoint.as_ref(), put_callback);
    let Limits {
        requests_per_second,
        failed_mappings_per_day,
    } = party.limits;
    out.number("requestsPerSecond", u64::from(requests_per_second.get()));
    out.number(
        "failedMappingsPerDay",
        u64::from(failed_mappings_per_day.get()),
    );
    out.instant("createTime", party.created);
    out.option("onem2m", party.onem2m.as_ref(), put_ae);
    out.list("claims", &party.claims, |out, name, claim| {
        out.group(name, |out| {
            out.text("service", claim.prefix.as_str());
            out.text("challenge", claim.challenge.as_str());
        });
    });
    out.option("presence", party.presence.as_ref(), put_presence);
}

fn put_presence(out: &mut impl Sink, name: &'static str, presence: &Presence) {
    out.group(name, |out| {
        put_callback(out, "issuer", &presence.issuer);
        out.text("clientId", &presence.client_id);
        let secret = presence.client_secret.as_ref();
        out.option("clientSecretSealed", secret, put_sealed);
    });
}

fn presence<S: Source>(input: &mut S, name: &'static str) -> Result<Presence, RecordError> {
    input.group(name, |input| {
        Ok(Presence {
            issuer: callback(input, "issuer")?,
            client_id: input.text("clientId")?.into_owned(),
            client_secret: input.option("clientSecretSealed", sealed)?,
        })
    })
}

fn claim<S: Source>(input: &mut S, name: &'static str) -> Result<ServiceClaim, RecordError> {
    input.group(name, |input| {
        Ok(ServiceClaim {
            prefix: service_prefix(input, "service")?,
            challenge: OwnershipChallenge::parse(&input.text("challenge")?)?,
        })
    })
}

fn put_ae(out: &mut impl Sink, name: &'static str, onem2m: &OneM2mAe) {
    out.group(name, |out| {
        out.text("ae", onem2m.ae.as_str());
        out.option("key", onem2m.key.as_ref(), |out, name, key| {
            out.group(name, |out| {
                out.choice("algorithm", key.algorithm());
                out.bytes("point", key.point());
            });
        });
    });
}

fn ae<S: Source>(input: &mut S, name: &'static str) -> Result<OneM2mAe, RecordError> {
    input.group(name, |input| {
        Ok(OneM2mAe {
            ae: AeId::parse(&input.text("ae")?)?,
            key: input.option("key", |input, name| {
                input.group(name, |input| {
                    let algorithm = input.choice("algorithm")?;
                    let point = input.bytes("point")?;
                    VerifyingKey::new(algorithm, point.into_owned()).ok_or(RecordError::Value)
                })
            })?,
        })
    })
}

fn read_party(input: &mut impl Source, format: u8, version: u64) -> Result<Party, RecordError> {
    Ok(Party {
        id: sp(input, "spId")?,
        third_party_sp: input.flag("thirdPartySp")?,
        iot_sp: input.flag("iotSp")?,
        status: input.choice("status")?,
        services: input.list("services", service_prefix)?,
        serial_namespaces: input.list("serialNamespaces", namespace)?,
        callback_origins: input.list("callbackOrigins", |input, name| {
            Ok(Origin::parse(&input.text(name)?)?)
        })?,
        token_endpoint: input.option("tokenEndpoint", callback)?,
        limits: Limits {
            requests_per_second: limit(input, "requestsPerSecond")?,
            failed_mappings_per_day: limit(input, "failedMappingsPerDay")?,
        },
        created: input.instant("createTime")?,
        onem2m: if format < 4 {
            None
        } else {
            input.option("onem2m", ae)?
        },
        claims: if format < 5 {
            Vec::new()
        } else {
            input.list("claims", claim)?
        },
        presence: if format < 6 {
            None
        } else {
            input.option("presence", presence)?
        },
        version,
    })
}

fn limit(input: &mut impl Source, name: &'static str) -> Result<NonZeroU32, RecordError> {
    NonZeroU32::new(input.small(name)?).ok_or(RecordError::Value)
}

fn put_namespace(out: &mut impl Sink, name: &'static str, namespace: &SerialNamespace) {
    out.group(name, |out| {
        out.option("vendor", namespace.vendor.as_ref(), put_attribute);
        let (is_pattern, text) = namespace.matcher.as_text();
        out.flag("isPattern", is_pattern);
        out.text("text", text);
    });
}

fn namespace<S: Source>(input: &mut S, name: &'static str) -> Result<SerialNamespace, RecordError> {
    input.group(name, |input| {
        let vendor = input.option("vendor", attribute)?;
        let is_pattern = input.flag("isPattern")?;
        let text = input.text("text")?;
        let matcher = if is_pattern {
            SerialMatcher::pattern(&text)
        } else {
            SerialMatcher::prefix(&text)
        }?;
        Ok(SerialNamespace { vendor, matcher })
    })
}

fn write_agreement(out: &mut impl Sink, agreement: &Agreement) {
    out.id("agreementId", agreement.id.as_bytes());
    out.text("iotSpId", agreement.iot_sp.as_str());
    out.text("thirdPartySpId", agreement.third_party_sp.as_str());
    out.list("services", &agreement.services, |out, name, v| {
        out.text(name, v.as_str());
    });
    out.instant("validFrom", agreement.valid_from);
    out.option("validUntil", agreement.valid_until, Sink::instant);
    out.choice("consentMode", agreement.consent_mode);
    out.choice("exposure", agreement.exposure);
    out.flag("pairingRequired", agreement.pairing_required);
    out.option("ended", agreement.ended, Sink::instant);
}

fn read_agreement(
    input: &mut impl Source,
    format: u8,
    version: u64,
) -> Result<Agreement, RecordError> {
    Ok(Agreement {
        id: AgreementId::from_bytes(input.id("agreementId")?),
        iot_sp: sp(input, "iotSpId")?,
        third_party_sp: sp(input, "thirdPartySpId")?,
        services: input.list("services", service_prefix)?,
        valid_from: input.instant("validFrom")?,
        valid_until: input.option("validUntil", Source::instant)?,
        consent_mode: input.choice("consentMode")?,
        exposure: input.choice("exposure")?,
        pairing_required: format >= 3 && input.flag("pairingRequired")?,
        ended: input.option("ended", Source::instant)?,
        version,
    })
}

fn write_subscription(out: &mut impl Sink, subscription: &Subscription) {
    out.id("subscriptionId", subscription.id.as_bytes());
    out.text("iotSpId", subscription.iot_sp.as_str());
    let namespaces = &subscription.serial_namespaces;
    out.list("serialNamespaces", namespaces, put_namespace);
    out.option(
        "notificationDestination",
        subscription.destination.as_ref(),
        put_callback,
    );
    out.flag("websocket", subscription.websocket);
    out.number("features", u64::from(subscription.features.0));
    out.instant("createTime", subscription.created);
}

fn read_subscription(
    input: &mut impl Source,
    format: u8,
    version: u64,
) -> Result<Subscription, RecordError> {
    const DESTINATION: &str = "notificationDestination";
    Ok(Subscription {
        id: SubscriptionId::from_bytes(input.id("subscriptionId")?),
        iot_sp: sp(input, "iotSpId")?,
        serial_namespaces: input.list("serialNamespaces", namespace)?,
        destination: match format {
            1 => callback(input, DESTINATION).map(Some)?,
            _ => input.option(DESTINATION, callback)?,
        },
        websocket: format >= 2 && input.flag("websocket")?,
        features: Features(input.small("features")?),
        created: input.instant("createTime")?,
        version,
    })
}

fn write_certificate(out: &mut impl Sink, certificate: &CertificateRecord) {
    out.bytes("certificateSerial", certificate.serial.as_bytes());
    out.option("thumbprint", certificate.thumbprint, |out, name, v| {
        out.fixed(name, &v.0);
    });
    out.text("spId", certificate.sp.as_str());
    out.instant("notAfter", certificate.not_after);
    out.option("revoked", certificate.revoked, Sink::instant);
}

fn read_certificate(
    input: &mut impl Source,
    version: u64,
) -> Result<CertificateRecord, RecordError> {
    Ok(CertificateRecord {
        serial: CertificateSerial::from_der_integer(&input.bytes("certificateSerial")?),
        thumbprint: input.option("thumbprint", |input, name| {
            input.fixed(name).map(CertificateThumbprint)
        })?,
        sp: sp(input, "spId")?,
        not_after: input.instant("notAfter")?,
        revoked: input.option("revoked", Source::instant)?,
        version,
    })
}
