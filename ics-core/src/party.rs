//! Service providers, what the operator granted them, and the agreements between them
//! (Y.4462 7.4: a commercial agreement exists before a connection is initialized).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use regex::bytes::Regex;

use crate::id::{
    AeId, AgreementId, CallbackUri, DeviceSerialNumber, InvalidId, Origin, ServicePrefix,
    ServiceUri, SpId, SubscriptionId, whole_pattern,
};
use crate::mapping::{Attribute, Features};
use crate::principal::{CertificateSerial, CertificateThumbprint};
use crate::reference_point::{Role, Scopes};
use crate::sealed::Sealed;
use crate::time::Timestamp;

/// A service provider as the operator onboarded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// scsAsId = certificate identity = OAuth client.
    pub id: SpId,
    /// Offers services (odd reference points).
    pub third_party_sp: bool,
    /// Manages devices (even reference points).
    pub iot_sp: bool,
    /// Active, suspended or removed.
    pub status: PartyStatus,
    /// Service URIs it owns, with everything under them: it has shown that, or the operator vouches.
    pub services: Vec<ServicePrefix>,
    /// Service URIs it says it owns, and has not shown yet: none of them can be used.
    pub claims: Vec<ServiceClaim>,
    /// Serial numbers it answers for.
    pub serial_namespaces: Vec<SerialNamespace>,
    /// Where its notifications may go: scheme, host and port, pinned.
    pub callback_origins: Vec<Origin>,
    /// Its own token endpoint, where the gateway must fetch a token before it notifies.
    pub token_endpoint: Option<CallbackUri>,
    /// The AE it speaks as over oneM2M, where it does.
    pub onem2m: Option<OneM2mAe>,
    /// The OpenID provider its users log in at, where it has one.
    pub presence: Option<Presence>,
    /// How much it may ask.
    pub limits: Limits,
    /// When it was onboarded.
    pub created: Timestamp,
    /// Rises by one with every write.
    pub version: u64,
}

/// A service URI that a party says it owns (X3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceClaim {
    /// With everything under it.
    pub prefix: ServicePrefix,
    /// What is to be served at it.
    pub challenge: OwnershipChallenge,
}

/// What a party serves below a service URI to show that it is its own: drawn for this party and this
/// URI, and told to nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnershipChallenge(String);

impl OwnershipChallenge {
    /// One of 128 random bits.
    #[must_use]
    pub fn mint(random: [u8; 16]) -> Self {
        Self(alloc::format!(
            "ics-challenge-{:032x}",
            u128::from_be_bytes(random)
        ))
    }

    /// One that was minted before.
    ///
    /// # Errors
    /// [`InvalidId::Form`].
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let random = text.strip_prefix("ics-challenge-").unwrap_or_default();
        let is_minted = random.len() == 32
            && random
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_minted.then(|| Self(text.into())).ok_or(InvalidId::Form)
    }

    /// The text that is to be served, alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The AE of a party on a oneM2M platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneM2mAe {
    /// Its AE-ID: no two parties have the same.
    pub ae: AeId,
    /// The key it signs its requests with where its CSE hands them on; without one, it comes with a
    /// certificate, or its mailbox at the platform says who it is.
    pub key: Option<VerifyingKey>,
}

/// The public half of a key that signs (RFC 7518 3.4, RFC 8037).
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    algorithm: SignatureAlgorithm,
    point: Vec<u8>,
}

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256; a signature is r and s, 64 bytes.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl VerifyingKey {
    /// A key by its point: uncompressed, 65 bytes, for [`SignatureAlgorithm::Es256`]; 32 bytes for
    /// [`SignatureAlgorithm::EdDsa`]. `None` for any other length or form.
    #[must_use]
    pub fn new(algorithm: SignatureAlgorithm, point: Vec<u8>) -> Option<Self> {
        let fits = match algorithm {
            SignatureAlgorithm::Es256 => point.len() == 65 && point.first() == Some(&4),
            SignatureAlgorithm::EdDsa => point.len() == 32,
        };
        fits.then_some(Self { algorithm, point })
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The point.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        &self.point
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.algorithm)
    }
}

/// The OpenID provider of an IoT SP, and the gateway's registration there (OpenID Connect Core 3.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Presence {
    /// Its issuer, as its discovery document says.
    pub issuer: CallbackUri,
    /// The gateway's client id there: 1 to 255 visible ASCII characters.
    pub client_id: String,
    /// The gateway's secret there, sealed under the party's id; without one the client is public.
    pub client_secret: Option<Sealed>,
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presence({})", self.issuer.as_str())
    }
}

/// Whether a party is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartyStatus {
    /// Served.
    Active,
    /// Frozen: nothing answered, nothing deleted, nothing lost.
    Suspended,
    /// Off-boarded; its id is not given out again.
    Removed,
}

/// How much a party may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Requests a second, with a burst of the same size. Above: 429.
    pub requests_per_second: NonZeroU32,
    /// Mappings a day that may fail on the device's side before no more are taken: 403.
    pub failed_mappings_per_day: NonZeroU32,
}

impl Party {
    /// The roles it was given.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        let third_party = self.third_party_sp.then_some(Role::ThirdPartySp);
        third_party
            .into_iter()
            .chain(self.iot_sp.then_some(Role::IotSp))
    }

    /// Whether it has `role`.
    #[must_use]
    pub const fn has_role(&self, role: Role) -> bool {
        match role {
            Role::ThirdPartySp => self.third_party_sp,
            Role::IotSp => self.iot_sp,
        }
    }

    /// All scopes its roles allow.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::of_roles(self.roles())
    }

    /// Whether it owns `service_uri` (Y13).
    #[must_use]
    pub fn owns_service(&self, service_uri: &ServiceUri) -> bool {
        self.services.iter().any(|prefix| prefix.owns(service_uri))
    }

    /// Whether it says that it owns `service_uri`, and has not shown it.
    #[must_use]
    pub fn claims_service(&self, service_uri: &ServiceUri) -> bool {
        let mut claims = self.claims.iter();
        claims.any(|claim| claim.prefix.owns(service_uri))
    }

    /// Whether a notification of it may go to `destination`.
    #[must_use]
    pub fn may_be_notified_at(&self, destination: &CallbackUri) -> bool {
        self.callback_origins.contains(&destination.origin())
    }
}

/// A set of serial numbers: by prefix or by pattern, of one vendor or any.
#[derive(Clone, Debug)]
pub struct SerialNamespace {
    /// Only requests that name this vendor, compared without case.
    pub vendor: Option<Attribute>,
    /// Which serial numbers.
    pub matcher: SerialMatcher,
}

/// Which serial numbers a namespace holds.
#[derive(Clone, Debug)]
pub enum SerialMatcher {
    /// Those that start with this text.
    Prefix(String),
    /// Those that match this regular expression as a whole (linear time, at most 256 bytes).
    Pattern(Regex),
}

impl PartialEq for SerialNamespace {
    fn eq(&self, other: &Self) -> bool {
        self.vendor == other.vendor && self.matcher.as_text() == other.matcher.as_text()
    }
}
impl Eq for SerialNamespace {}

impl SerialMatcher {
    /// A prefix of 1 to 128 bytes.
    ///
    /// # Errors
    /// [`InvalidId::Form`] for an empty, too long or unprintable one.
    pub fn prefix(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
            return Err(InvalidId::Form);
        }
        Ok(Self::Prefix(text.into()))
    }

    /// A pattern of 1 to 256 printable ASCII characters; anchored at both ends whatever it says.
    /// Its classes are those of ASCII, and `.` is one byte.
    ///
    /// # Errors
    /// [`InvalidId::Form`] when it is no regular expression, or one too large.
    pub fn pattern(text: &str) -> Result<Self, InvalidId> {
        let pattern = whole_pattern(text).ok_or(InvalidId::Form)?;
        Ok(Self::Pattern(pattern))
    }

    /// The prefix, or the pattern as it was given.
    #[must_use]
    pub fn as_text(&self) -> (bool, &str) {
        match self {
            Self::Prefix(text) => (false, text),
            Self::Pattern(regex) => {
                let whole = regex.as_str();
                (
                    true,
                    whole
                        .strip_prefix("^(?:")
                        .and_then(|t| t.strip_suffix(")$"))
                        .unwrap_or(whole),
                )
            }
        }
    }

    fn holds(&self, serial: &DeviceSerialNumber) -> bool {
        match self {
            Self::Prefix(prefix) => serial.expose().starts_with(prefix.as_str()),
            Self::Pattern(regex) => regex.is_match(serial.expose().as_bytes()),
        }
    }
}

impl SerialNamespace {
    /// Whether a request for `serial` of `vendor` belongs here.
    #[must_use]
    pub fn holds(&self, serial: &DeviceSerialNumber, vendor: Option<&Attribute>) -> bool {
        let vendor_fits = match (&self.vendor, vendor) {
            (None, _) => true,
            (Some(own), Some(asked)) => own.as_str().eq_ignore_ascii_case(asked.as_str()),
            (Some(_), None) => false,
        };
        vendor_fits && self.matcher.holds(serial)
    }

    /// Whether this namespace, asked for in a subscription, lies within `granted`.
    ///
    /// A pattern is never provably wider than a grant, for both must hold at routing.
    #[must_use]
    pub fn narrows(&self, granted: &Self) -> bool {
        let vendor_fits = match (&granted.vendor, &self.vendor) {
            (None, _) => true,
            (Some(own), Some(asked)) => own.as_str().eq_ignore_ascii_case(asked.as_str()),
            (Some(_), None) => false,
        };
        vendor_fits
            && match (&granted.matcher, &self.matcher) {
                (SerialMatcher::Prefix(wide), SerialMatcher::Prefix(narrow)) => {
                    narrow.starts_with(wide.as_str())
                }
                _ => true,
            }
    }
}

/// A commercial agreement between an IoT SP and a third party SP, signed off by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Its id.
    pub id: AgreementId,
    /// The side with the devices.
    pub iot_sp: SpId,
    /// The side with the services.
    pub third_party_sp: SpId,
    /// The services it covers; none means all of the third party's.
    pub services: Vec<ServicePrefix>,
    /// First instant it is valid.
    pub valid_from: Timestamp,
    /// First instant it is no longer valid, if it ends by itself.
    pub valid_until: Option<Timestamp>,
    /// Who establishes the user's consent.
    pub consent_mode: ConsentMode,
    /// How the third party sees device IDs.
    pub exposure: Exposure,
    /// Whether a mapping request must show a pairing code of the device.
    pub pairing_required: bool,
    /// When it was ended, if it was.
    pub ended: Option<Timestamp>,
    /// Rises by one with every write.
    pub version: u64,
}

/// Who establishes the user's consent (Y21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsentMode {
    /// The third party SP captured it and says so in the request.
    Asserted,
    /// The gateway asks the user, who logs in at the IoT SP's OpenID provider.
    AuthCode,
    /// The IoT SP asks its user before step 7.
    IotSpConfirm,
}

/// How a third party sees device IDs (Y25).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exposure {
    /// As the IoT SP assigned them: the letter of Y.4462.
    Raw,
    /// A pseudonym per third party.
    Pairwise,
}

impl Agreement {
    /// Whether it is in force at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.ended.is_none()
            && self.valid_from <= now
            && self.valid_until.is_none_or(|end| now < end)
    }

    /// Whether it covers `service_uri`.
    #[must_use]
    pub fn covers(&self, service_uri: &ServiceUri) -> bool {
        self.services.is_empty() || self.services.iter().any(|prefix| prefix.owns(service_uri))
    }
}

/// The standing registration of an IoT SP on ICS-2: where its assignments are pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Whose.
    pub iot_sp: SpId,
    /// Narrows what the operator granted; none means all of it.
    pub serial_namespaces: Vec<SerialNamespace>,
    /// Where pushes and notices go; without one, over the websocket alone.
    pub destination: Option<CallbackUri>,
    /// Whether they go over the IoT SP's websocket (TS 29.122 5.2.5.4) while that is open.
    pub websocket: bool,
    /// Negotiated features.
    pub features: Features,
    /// When it was made.
    pub created: Timestamp,
    /// Rises by one with every write.
    pub version: u64,
}

/// A certificate the gateway's authority issued to an SP, or one the operator revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Serial number of the certificate, big-endian, as in the certificate.
    pub serial: CertificateSerial,
    /// SHA-256 of its DER, where the gateway has seen it.
    pub thumbprint: Option<CertificateThumbprint>,
    /// Whom it names.
    pub sp: SpId,
    /// When it ends by itself.
    pub not_after: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// Rises by one with every write.
    pub version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_holds_whole_serial_numbers_alone() {
        let holds = |pattern: &str, serial: &str| {
            let serial = DeviceSerialNumber::parse(serial).unwrap();
            SerialMatcher::pattern(pattern).unwrap().holds(&serial)
        };
        assert!(holds("FR-.*", "FR-00031"));
        assert!(holds("FR-.*|XY", "XY"));
        assert!(holds(r"\d{4}-[^A]", "2291-B"));
        assert!(!holds("FR-", "FR-00031"));
        assert!(!holds("FR-.*|XY", "no XY"));
    }

    #[test]
    fn a_pattern_does_not_leave_its_anchors() {
        let foreign = [
            "a)|(?:.*",
            "(",
            "",
            "a{999999}",
            "(?x) a #",
            "\u{d7}",
            "a\n",
        ];
        for pattern in foreign {
            assert!(SerialMatcher::pattern(pattern).is_err(), "{pattern}");
        }
    }
}
