//! What a device tries and does not get, before the service is asked: the service is told, so that it
//! leaves a line as each act does. Of a topic or a path only what is wrong with it; its text may name
//! anything.

/// What a device tried that was refused without the service being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusedAttempt {
    /// CONNECT, without a certificate, and without a device ID and a password.
    ConnectWithoutCredential,
    /// CONNECT with a password, after too many wrong ones; it was not looked at.
    ConnectAfterGuesses,
    /// CONNECT with a certificate that ended meanwhile.
    ConnectAfterEnd,
    /// CONNECT with a will on another topic than its own status, or of another kind.
    ConnectWithWill,
    /// CONNECT, too often.
    ConnectTooOften,
    /// SUBSCRIBE to a filter outside the device's own subtree.
    SubscribeForeign,
    /// SUBSCRIBE to a filter that is none.
    SubscribeMalformed,
    /// SUBSCRIBE to more, or longer, filters than a session may have.
    SubscribeTooMuch,
    /// PUBLISH to a topic outside the device's own subtree, or with an answer to go there.
    PublishForeign,
    /// PUBLISH to a topic of its own that is not one of those.
    PublishUnknown,
    /// PUBLISH of a payload that is not the message it should be.
    PublishUnreadable,
    /// A CoAP request for what is another device's.
    RequestForeign,
    /// A CoAP request for what there is not, or in a way in which it is not asked.
    RequestUnknown,
    /// A CoAP request whose payload is not the message it should be.
    RequestUnreadable,
    /// A DTLS handshake with a pre-shared key that named what is no identity.
    AssociateUnnamed,
    /// A DTLS handshake that named a key which holds, and did not come to its end: another key, or
    /// datagrams that were lost.
    AssociateUnfinished,
    /// A DTLS handshake, too often.
    AssociateTooOften,
    /// Packets beyond the rate: told once in [`TOLD_AGAIN`](crate::TOLD_AGAIN).
    TooFast,
}
