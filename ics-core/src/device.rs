//! A device the gateway hosts for its IoT SP: what it is, how it proves itself, what it must hold.
//!
//! In Y.4462 a device talks to its IoT SP, not to the service; the device channel is that SP's
//! delegated arm. So a hosted device belongs to exactly one IoT SP, and its device ID is minted
//! here on that SP's behalf. A credential's secret is never kept: of a password a keyed hash, of a
//! pre-shared key what the vault derives it from again.

use alloc::vec::Vec;
use core::fmt;

use crate::device_document::DocumentState;
use crate::id::{DeviceId, SpId};
use crate::mapping::Attribute;
use crate::principal::CertificateThumbprint;
use crate::sealed::{BlindIndex, Sealed};
use crate::time::Timestamp;

/// A hosted device.
#[derive(Clone, PartialEq, Eq)]
pub struct HostedDevice {
    /// Its device ID, minted here; permanent, given out once.
    pub id: DeviceId,
    /// Whose device.
    pub iot_sp: SpId,
    /// What its maker printed on it, sealed under `id`.
    pub serial: Sealed,
    /// Keyed hash of the serial number.
    pub serial_index: BlindIndex,
    /// Its maker.
    pub vendor: Option<Attribute>,
    /// Its model.
    pub model: Option<Attribute>,
    /// Pseudonym of the user who owns it, as its IoT SP knows them.
    pub owner: Option<Attribute>,
    /// Over which protocols it may come.
    pub channels: Channels,
    /// How it proves itself; several, so that one can take over from another.
    pub credentials: Vec<DeviceCredential>,
    /// How many credentials it was ever given: no name of one that is gone comes again.
    pub credentials_given: u32,
    /// Pairing codes that were not used up, expired ones among them.
    pub pairing: Vec<PairingTicket>,
    /// What it must hold, and what it said it holds.
    pub document: DocumentState,
    /// Whether it is served.
    pub status: DeviceStatus,
    /// When it was registered.
    pub created: Timestamp,
    /// When its registration, credentials or status last changed.
    pub updated: Timestamp,
    /// Rises by one with every write; what optimistic commits compare.
    pub version: u64,
}

/// Whether a hosted device is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceStatus {
    /// Served.
    Active,
    /// Unregistered: all its rows are ended and its ID is dead. It may still fetch and acknowledge
    /// the empty document, until `deadline`.
    Unregistering {
        /// When it is forgotten, acknowledged or not.
        deadline: Timestamp,
    },
}

/// A set of device channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Channels(u8);

/// A protocol a hosted device may come over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// MQTT 3.1.1 or 5.
    Mqtt,
    /// CoAP over DTLS.
    Coap,
    /// A oneM2M CSE.
    OneM2m,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mqtt, Self::Coap, Self::OneM2m];

    /// Its name on every interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Coap => "coap",
            Self::OneM2m => "onem2m",
        }
    }

    /// The channel of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Channels {
    /// No channel.
    pub const NONE: Self = Self(0);

    /// This set and `channel`.
    #[must_use]
    pub const fn with(self, channel: Channel) -> Self {
        Self(self.0 | channel.bit())
    }

    /// Whether `channel` is in it.
    #[must_use]
    pub const fn contain(self, channel: Channel) -> bool {
        self.0 & channel.bit() != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The channels in it, in order.
    pub fn iter(self) -> impl Iterator<Item = Channel> {
        let all = Channel::ALL.into_iter();
        all.filter(move |channel| self.contain(*channel))
    }
}

impl FromIterator<Channel> for Channels {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        channels.into_iter().fold(Self::NONE, Self::with)
    }
}

/// A one-time pairing code as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PairingTicket {
    /// Keyed hash of (device ID, code).
    pub index: BlindIndex,
    /// First instant it is no longer taken.
    pub not_after: Timestamp,
}

/// Names a credential among those of its device; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(pub u32);

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One way in which a device proves itself, while it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCredential {
    /// Its name.
    pub id: CredentialId,
    /// What it is.
    pub kind: CredentialKind,
    /// First instant it holds.
    pub not_before: Timestamp,
    /// First instant it no longer holds.
    pub not_after: Timestamp,
    /// When it was revoked, if it was.
    pub revoked: Option<Timestamp>,
}

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// A certificate that the gateway's device authority issued.
    Certificate(CertificateThumbprint),
    /// A password minted here, of 128 random bits: keyed hash of (device ID, password).
    Password(BlindIndex),
    /// A password its IoT SP chose: keyed hash of (device ID, Argon2id of the password).
    ChosenPassword(BlindIndex),
    /// A key for DTLS (RFC 4279), derived in the vault from (device ID, these random bits).
    PreSharedKey(KeySalt),
}

/// 128 random bits that make a pre-shared key one of its own; no secret without the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeySalt(pub [u8; 16]);

impl DeviceCredential {
    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.not_before <= now && now < self.not_after
    }
}

impl HostedDevice {
    /// How many credentials a device has at most, those that are over included.
    pub const MOST_CREDENTIALS: usize = 8;

    /// How many pairing codes wait to be used at most; one more takes the place of the oldest.
    pub const MOST_PAIRING_CODES: usize = 4;

    /// Its pairing codes without the one of this hash; `None` where it has none, or none that is
    /// taken at `now`.
    #[must_use]
    pub fn without_pairing_code(
        &self,
        index: BlindIndex,
        now: Timestamp,
    ) -> Option<Vec<PairingTicket>> {
        let is_named = |ticket: &PairingTicket| ticket.index == index;
        let named = self.pairing.iter().find(|ticket| is_named(ticket))?;
        (now < named.not_after).then(|| {
            let others = self.pairing.iter().filter(|ticket| !is_named(ticket));
            others.copied().collect()
        })
    }

    /// Its pairing codes with one more, those that are over left out.
    #[must_use]
    pub fn with_pairing_code(&self, ticket: PairingTicket, now: Timestamp) -> Vec<PairingTicket> {
        let held = self.pairing.iter().filter(|held| now < held.not_after);
        let mut held: Vec<_> = held.copied().collect();
        let room = Self::MOST_PAIRING_CODES.saturating_sub(1);
        held.drain(..held.len().saturating_sub(room));
        held.push(ticket);
        held
    }

    /// The credential of that name.
    #[must_use]
    pub fn credential(&self, id: CredentialId) -> Option<&DeviceCredential> {
        self.credentials.iter().find(|c| c.id == id)
    }

    /// The name the next credential shall have.
    #[must_use]
    pub fn next_credential(&self) -> CredentialId {
        CredentialId(self.credentials_given.saturating_add(1))
    }

    /// Gives it a credential of that name.
    pub fn give_credential(&mut self, credential: DeviceCredential) {
        self.credentials_given = self.credentials_given.max(credential.id.0);
        self.credentials.push(credential);
    }

    /// How many credentials it was given, as far as those that are left tell.
    #[must_use]
    pub fn credentials_seen(credentials: &[DeviceCredential]) -> u32 {
        credentials.iter().map(|c| c.id.0).max().unwrap_or(0)
    }

    /// When it is forgotten by itself.
    #[must_use]
    pub const fn due(&self) -> Option<Timestamp> {
        match self.status {
            DeviceStatus::Active => None,
            DeviceStatus::Unregistering { deadline } => Some(deadline),
        }
    }

    /// Whether it has yet to say that it forgot, or stored, what it was last told.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        self.document.acknowledged < self.document.version
    }

    /// This device in its next version.
    pub(crate) fn next(&self) -> Self {
        Self {
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }
}

impl fmt::Debug for HostedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedDevice")
            .field("iot_sp", &self.iot_sp)
            .field("status", &self.status)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
