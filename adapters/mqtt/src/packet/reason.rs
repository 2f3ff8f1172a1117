//! What a server tells a client of why: the reason codes of MQTT 5 (2.4), and what is left of them
//! in 3.1.1.

/// A packet is not one a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Malformed {
    /// Not in the form of MQTT.
    Form,
    /// In the form, but not allowed here.
    Protocol,
    /// Longer than we take.
    TooLarge,
    /// A protocol, or a version of it, that is not spoken here.
    Version,
    /// QoS 2.
    QualityOfService,
    /// A retained message.
    Retain,
    /// A subscription identifier.
    SubscriptionIdentifier,
    /// A topic alias; none was granted.
    TopicAlias,
}

impl Malformed {
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::Form => Reason::Malformed,
            Self::Protocol => Reason::Protocol,
            Self::TooLarge => Reason::TooLarge,
            Self::Version => Reason::Version,
            Self::QualityOfService => Reason::QualityOfService,
            Self::Retain => Reason::Retain,
            Self::SubscriptionIdentifier => Reason::SubscriptionIdentifier,
            Self::TopicAlias => Reason::TopicAlias,
        }
    }
}

/// A reason code of MQTT 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Reason {
    Success = 0x00,
    Unspecified = 0x80,
    Malformed = 0x81,
    Protocol = 0x82,
    /// The packet is in order, and yet not acted upon.
    Unwilling = 0x83,
    Version = 0x84,
    ClientId = 0x85,
    BadCredentials = 0x86,
    NotAuthorized = 0x87,
    Unavailable = 0x88,
    ShuttingDown = 0x8b,
    Method = 0x8c,
    KeepAlive = 0x8d,
    TakenOver = 0x8e,
    TopicFilter = 0x8f,
    TopicName = 0x90,
    TopicAlias = 0x94,
    TooLarge = 0x95,
    Quota = 0x97,
    /// By the operator or the IoT SP: revoked, suspended, unregistered.
    Administrative = 0x98,
    PayloadFormat = 0x99,
    Retain = 0x9a,
    QualityOfService = 0x9b,
    ConnectionRate = 0x9f,
    ConnectTime = 0xa0,
    SubscriptionIdentifier = 0xa1,
}

impl Reason {
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// The return code of a CONNACK of 3.1.1 (3.2.2.3).
    pub(crate) const fn connack_v3(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Version => 1,
            Self::ClientId => 2,
            Self::Unavailable | Self::ConnectionRate | Self::ShuttingDown => 3,
            Self::BadCredentials => 4,
            _ => 5,
        }
    }
}
