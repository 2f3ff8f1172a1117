//! CONNECT: who is it, by its credential alone (channels.md "Identity"). The client id is nothing.

use std::sync::Arc;

use ics_core::id::DeviceId;
use ics_core::principal::DeviceIdentity;
use ics_core::service::{DeviceClaim, DeviceRefusal, Unauthenticated};
use ics_core::time::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::driver::{Broken, Driver, Progress};
use crate::endpoint::{Endpoint, PeerDevice};
use crate::packet::{Connack, Connect, Frame, Reason, Version, Will, read_connect, write_connack};
use crate::roster::{Seated, TooOften};
use crate::topic::{PRESENCE, Subtree};
use ics_channel::RefusedAttempt;

/// A device that takes no packet of this length, in bytes, cannot even be told that it was let in.
const LEAST_PACKET: u32 = 128;

/// A device that was let in.
pub(crate) struct Admitted {
    pub(crate) identity: Arc<DeviceIdentity>,
    pub(crate) seated: Seated,
    pub(crate) subtree: Subtree,
    pub(crate) version: Version,
    /// Seconds.
    pub(crate) keep_alive: u16,
    /// The first instant at which it may no longer be connected.
    pub(crate) until: Timestamp,
    /// How many QoS 1 messages it takes at once.
    pub(crate) receive_maximum: u16,
    /// How long a packet it takes.
    pub(crate) maximum_packet_size: Option<u32>,
}

/// Reads CONNECT and answers it; `None` when the connection is over, its last words written.
pub(crate) async fn shake_hands<Io>(
    endpoint: &Endpoint,
    driver: &mut Driver<Io>,
    peer: &PeerDevice,
) -> Option<Admitted>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    let length = match driver.progress(false).await {
        Ok(Progress::Packet(length)) => length,
        Ok(Progress::Drained) | Err(Broken::Gone | Broken::Malformed(_)) => return None,
    };
    let bytes = driver.take_packet(length);
    let frame = Frame::of(&bytes).ok()?;
    let connect = match read_connect(frame) {
        Ok(connect) => connect,
        Err((version, malformed)) => {
            write_connack(driver.outbox(), version?, Err(malformed.reason()));
            return None;
        }
    };
    match admit(endpoint, peer, &connect).await {
        Ok(admitted) => {
            let imposed = admitted.keep_alive != connect.keep_alive;
            let connack = Connack {
                receive_maximum: endpoint.limits.receive_maximum,
                maximum_packet_size: endpoint.limits.longest_packet,
                keep_alive: imposed.then_some(admitted.keep_alive),
                // 3.2.2.3.7: one that came without a client id is told which it has.
                client_id: connect
                    .client_id
                    .is_empty()
                    .then(|| admitted.identity.device_id.as_str()),
            };
            write_connack(driver.outbox(), connect.version, Ok(connack));
            Some(admitted)
        }
        Err(reason) => {
            write_connack(driver.outbox(), connect.version, Err(reason));
            None
        }
    }
}

async fn admit(
    endpoint: &Endpoint,
    peer: &PeerDevice,
    connect: &Connect<'_>,
) -> Result<Admitted, Reason> {
    if connect.has_authentication_method {
        return Err(Reason::Method);
    }
    if connect
        .maximum_packet_size
        .is_some_and(|most| most < LEAST_PACKET)
    {
        return Err(Reason::TooLarge);
    }
    // 3.1.3.1 of 3.1.1: without a client id there is no session to come back to.
    if connect.version == Version::V3 && connect.client_id.is_empty() && !connect.clean {
        return Err(Reason::ClientId);
    }
    // Before anything is looked up for it: it was told why, once.
    let (rate, now) = (endpoint.limits.connects, endpoint.clock.now());
    if claimed_device(peer, connect).is_some_and(|id| endpoint.sessions.bars(&id, rate, now)) {
        return Err(Reason::ConnectionRate);
    }
    let identity = authenticate(endpoint, peer, connect).await?;
    let refuse = |attempt, reason| {
        endpoint.service.note_refused(Some(&identity), attempt);
        reason
    };
    let subtree = Subtree::of(&identity.device_id);
    if let Some(will) = &connect.will {
        let checked = check_will(will, &subtree);
        checked.map_err(|reason| refuse(RefusedAttempt::ConnectWithWill, reason))?;
    }
    let now = endpoint.clock.now();
    let certified = peer.certificate.as_ref().map(|c| c.not_after);
    let until = certified.map_or(identity.not_after, |end| end.min(identity.not_after));
    if until <= now {
        let attempt = RefusedAttempt::ConnectAfterEnd;
        return Err(refuse(attempt, Reason::NotAuthorized));
    }
    let named = (&identity.iot_sp, &identity.device_id);
    let seated = endpoint
        .sessions
        .enter(named, endpoint.limits.connects, now);
    let seated = seated.map_err(|TooOften { is_news }| {
        if is_news {
            refuse(RefusedAttempt::ConnectTooOften, Reason::ConnectionRate)
        } else {
            Reason::ConnectionRate
        }
    })?;
    let longest = endpoint.limits.longest_keep_alive;
    Ok(Admitted {
        until,
        identity,
        seated,
        subtree,
        version: connect.version,
        keep_alive: match connect.keep_alive {
            0 => longest,
            asked => asked.min(longest),
        },
        receive_maximum: connect.receive_maximum,
        maximum_packet_size: connect.maximum_packet_size,
    })
}

async fn authenticate(
    endpoint: &Endpoint,
    peer: &PeerDevice,
    connect: &Connect<'_>,
) -> Result<Arc<DeviceIdentity>, Reason> {
    let (asked, refused) = match &peer.certificate {
        Some(certificate) => {
            let now = endpoint.clock.now();
            let claim = DeviceClaim::Certificate {
                iot_sp: &certificate.iot_sp,
                device_id: &certificate.device_id,
                thumbprint: certificate.thumbprint,
            };
            let asked = endpoint.service.authenticate(claim, now).await;
            (asked, Reason::NotAuthorized)
        }
        None => {
            let asked = check_password(endpoint, peer, connect).await?;
            (asked, Reason::BadCredentials)
        }
    };
    asked.map_err(|refusal| match refusal {
        DeviceRefusal::Unauthenticated(_) => refused,
        DeviceRefusal::Failure(_) => Reason::Unavailable,
    })
}

async fn check_password(
    endpoint: &Endpoint,
    peer: &PeerDevice,
    connect: &Connect<'_>,
) -> Result<Result<Arc<DeviceIdentity>, DeviceRefusal>, Reason> {
    let Some((device_id, password)) = login_of(connect) else {
        let attempt = RefusedAttempt::ConnectWithoutCredential;
        endpoint.service.note_refused(None, attempt);
        return Err(Reason::BadCredentials);
    };
    let now = endpoint.clock.now();
    let (limits, address) = (&endpoint.limits.guesses, peer.address.ip());
    let guess = endpoint.guesses.begin((address, &device_id), limits, now);
    let Some(guess) = guess.await else {
        let attempt = RefusedAttempt::ConnectAfterGuesses;
        endpoint.service.note_refused(None, attempt);
        return Err(Reason::ConnectionRate);
    };
    let claim = DeviceClaim::Password {
        device_id: &device_id,
        password,
    };
    let asked = endpoint.service.authenticate(claim, now).await;
    match &asked {
        Ok(_) => guess.right(),
        Err(DeviceRefusal::Unauthenticated(
            Unauthenticated::Unknown | Unauthenticated::Credential,
        )) => guess.wrong(limits, now),
        // The password was right, and is of no use: who goes on trying it must not keep others busy.
        Err(DeviceRefusal::Unauthenticated(_)) => guess.useless(limits, now),
        // It was our fault.
        Err(DeviceRefusal::Failure(_)) => drop(guess),
    }
    Ok(asked)
}

/// Who the device says it is.
fn claimed_device(peer: &PeerDevice, connect: &Connect<'_>) -> Option<DeviceId> {
    match &peer.certificate {
        Some(certificate) => Some(certificate.device_id.clone()),
        None => login_of(connect).map(|(id, _)| id),
    }
}

fn login_of<'a>(connect: &Connect<'a>) -> Option<(DeviceId, &'a str)> {
    let (name, password) = connect.user_name.zip(connect.password)?;
    let device_id = DeviceId::parse(name).ok()?;
    Some((device_id, std::str::from_utf8(password).ok()?))
}

fn check_will(will: &Will<'_>, subtree: &Subtree) -> Result<(), Reason> {
    match subtree.own(will.topic) {
        None => Err(Reason::NotAuthorized),
        Some(own) if own != PRESENCE => Err(Reason::TopicName),
        Some(_) if will.is_exactly_once => Err(Reason::QualityOfService),
        Some(_) if will.is_retained => Err(Reason::Retain),
        Some(_) => Ok(()),
    }
}
