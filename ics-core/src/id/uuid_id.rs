//! Ids the gateway mints: UUID version 7 (RFC 9562), time-ordered so that keyset paging follows
//! creation.

use core::fmt;

use uuid::{Builder, Uuid};

use super::InvalidId;
use crate::time::Timestamp;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Mints an id from the time and 80 random bits.
            #[must_use]
            pub fn mint(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.millis()).unwrap_or(0);
                Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Reads the hyphenated lower-case form, the only one the gateway tells.
            ///
            /// # Errors
            /// [`InvalidId::NotUuid`] for anything else.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let id = Uuid::try_parse(text).map_err(|_| InvalidId::NotUuid)?;
                let mut buffer = Uuid::encode_buffer();
                let told: &str = id.hyphenated().encode_lower(&mut buffer);
                if told == text { Ok(Self(id)) } else { Err(InvalidId::NotUuid) }
            }

            /// Reads the 16 bytes a store keeps.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// When it was minted: the first 48 bits (RFC 9562 5.7).
            #[must_use]
            pub fn minted_at(&self) -> Timestamp {
                let [a, b, c, d, e, f, ..] = *self.0.as_bytes();
                Timestamp::from_millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
            }

            /// The 16 bytes, in the order of creation.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

uuid_id! {
    /// A row of the mapping table; also the `{mappingId}` of its resource.
    MappingId
}
uuid_id! {
    /// An agreement between an IoT SP and a third party SP.
    AgreementId
}
uuid_id! {
    /// A standing registration of an IoT SP on ICS-2.
    SubscriptionId
}
uuid_id! {
    /// A user's consent, as the gateway keeps it.
    ConsentId
}
uuid_id! {
    /// A job, and the fence it sweeps behind.
    JobId
}
