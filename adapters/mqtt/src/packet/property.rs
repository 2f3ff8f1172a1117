//! The properties of MQTT 5 (2.2.2) that a client may send: each at most once but for user
//! properties, each where it belongs, each in its range.

use super::bytes::Bytes;
use super::{Malformed, Version};

/// Where properties stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Connect,
    Will,
    Publish,
    /// PUBACK, as PUBREC and the like.
    Response,
    Subscribe,
    Unsubscribe,
    Disconnect,
}

/// What the properties of a packet say, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties<'a> {
    pub(crate) response_topic: Option<&'a str>,
    pub(crate) correlation_data: Option<&'a [u8]>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) has_topic_alias: bool,
    pub(crate) has_subscription_identifier: bool,
    pub(crate) has_authentication_method: bool,
}

const PAYLOAD_FORMAT: u8 = 0x01;
const MESSAGE_EXPIRY: u8 = 0x02;
pub(crate) const CONTENT_TYPE: u8 = 0x03;
const RESPONSE_TOPIC: u8 = 0x08;
pub(crate) const CORRELATION_DATA: u8 = 0x09;
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0b;
pub(crate) const SESSION_EXPIRY: u8 = 0x11;
const AUTHENTICATION_METHOD: u8 = 0x15;
const AUTHENTICATION_DATA: u8 = 0x16;
const REQUEST_PROBLEM: u8 = 0x17;
const WILL_DELAY: u8 = 0x18;
const REQUEST_RESPONSE: u8 = 0x19;
const REASON_STRING: u8 = 0x1f;
pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
const TOPIC_ALIAS: u8 = 0x23;
const USER_PROPERTY: u8 = 0x26;
pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;

impl Place {
    /// Table 2-4, the client's half.
    const fn allows(self, id: u8) -> bool {
        if id == USER_PROPERTY {
            return true;
        }
        match self {
            Self::Connect => matches!(
                id,
                SESSION_EXPIRY
                    | AUTHENTICATION_METHOD
                    | AUTHENTICATION_DATA
                    | REQUEST_PROBLEM
                    | REQUEST_RESPONSE
                    | RECEIVE_MAXIMUM
                    | TOPIC_ALIAS_MAXIMUM
                    | MAXIMUM_PACKET_SIZE
            ),
            Self::Will => matches!(
                id,
                PAYLOAD_FORMAT
                    | MESSAGE_EXPIRY
                    | CONTENT_TYPE
                    | RESPONSE_TOPIC
                    | CORRELATION_DATA
                    | WILL_DELAY
            ),
            Self::Publish => matches!(
                id,
                PAYLOAD_FORMAT
                    | MESSAGE_EXPIRY
                    | CONTENT_TYPE
                    | RESPONSE_TOPIC
                    | CORRELATION_DATA
                    | SUBSCRIPTION_IDENTIFIER
                    | TOPIC_ALIAS
            ),
            Self::Response => id == REASON_STRING,
            Self::Subscribe => id == SUBSCRIPTION_IDENTIFIER,
            Self::Unsubscribe => false,
            Self::Disconnect => matches!(id, SESSION_EXPIRY | REASON_STRING),
        }
    }
}

impl<'a> Properties<'a> {
    /// Reads the properties at the head of `bytes`; in 3.1.1 there are none.
    pub(crate) fn read(
        bytes: &mut Bytes<'a>,
        (place, version): (Place, Version),
    ) -> Result<Self, Malformed> {
        let mut read = Self::default();
        if version == Version::V3 {
            return Ok(read);
        }
        let length = bytes.variable()?;
        let length = usize::try_from(length).map_err(|_| Malformed::Form)?;
        let mut bytes = Bytes::new(bytes.take(length)?);
        let mut seen = 0_u64;
        while !bytes.is_empty() {
            let id = bytes.byte()?;
            if !place.allows(id) {
                return Err(Malformed::Protocol);
            }
            // All ids that are allowed are below 64.
            let bit = 1_u64 << (id & 63);
            if seen & bit != 0 && id != USER_PROPERTY {
                return Err(Malformed::Protocol);
            }
            seen |= bit;
            read.take(id, &mut bytes)?;
        }
        Ok(read)
    }

    fn take(&mut self, id: u8, bytes: &mut Bytes<'a>) -> Result<(), Malformed> {
        match id {
            PAYLOAD_FORMAT | REQUEST_PROBLEM | REQUEST_RESPONSE => {
                if bytes.byte()? > 1 {
                    return Err(Malformed::Protocol);
                }
            }
            MESSAGE_EXPIRY | WILL_DELAY | SESSION_EXPIRY => {
                bytes.four()?;
            }
            CONTENT_TYPE | REASON_STRING => {
                bytes.text()?;
            }
            RESPONSE_TOPIC => self.response_topic = Some(bytes.text()?),
            CORRELATION_DATA => self.correlation_data = Some(bytes.binary()?),
            AUTHENTICATION_DATA => {
                bytes.binary()?;
            }
            AUTHENTICATION_METHOD => {
                bytes.text()?;
                self.has_authentication_method = true;
            }
            TOPIC_ALIAS_MAXIMUM => {
                bytes.two()?;
            }
            TOPIC_ALIAS => {
                bytes.two()?;
                self.has_topic_alias = true;
            }
            RECEIVE_MAXIMUM => match bytes.two()? {
                0 => return Err(Malformed::Protocol),
                most => self.receive_maximum = Some(most),
            },
            MAXIMUM_PACKET_SIZE => match bytes.four()? {
                0 => return Err(Malformed::Protocol),
                most => self.maximum_packet_size = Some(most),
            },
            SUBSCRIPTION_IDENTIFIER => {
                if bytes.variable()? == 0 {
                    return Err(Malformed::Protocol);
                }
                self.has_subscription_identifier = true;
            }
            USER_PROPERTY => {
                bytes.text()?;
                bytes.text()?;
            }
            _ => return Err(Malformed::Protocol),
        }
        Ok(())
    }
}
