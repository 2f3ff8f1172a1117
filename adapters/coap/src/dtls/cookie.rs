//! Cookies that nobody has to remember: a keyed hash of who asks and what for.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use ics_core::port::Entropy;

use super::hello::{COOKIE, ClientHello};

/// How long a key gives cookies. They are taken for as long again: a hello that was overheard is
/// worth nothing after that.
const KEY_LASTS: Duration = Duration::from_secs(30);

/// The keys of cookies: the one of now, and the one before, so that a cookie given just before a
/// change is still taken.
pub(crate) struct Cookies {
    /// When the key of now was first used.
    since: Option<Instant>,
    now: [u8; KEY],
    before: Option<[u8; KEY]>,
}

const KEY: usize = 32;

impl Cookies {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut now = [0; KEY];
        entropy.fill(&mut now);
        Self {
            since: None,
            now,
            before: None,
        }
    }

    /// Changes the key when it is time; cookies of the one before the last are worth nothing then.
    pub(crate) fn turn(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let lasted = now.saturating_duration_since(since);
        if lasted >= KEY_LASTS {
            self.before = (lasted < KEY_LASTS * 2).then_some(self.now);
            self.now = next(&self.now);
            self.since = Some(now);
        }
    }

    /// What `from` has to bring back.
    pub(crate) fn of(&self, from: SocketAddr, hello: &ClientHello<'_>) -> [u8; COOKIE] {
        cookie(&self.now, from, hello)
    }

    /// The cookie it brings, if we gave it to this address for this message.
    pub(crate) fn proven(&self, from: SocketAddr, hello: &ClientHello<'_>) -> Option<[u8; COOKIE]> {
        let given = <[u8; COOKIE]>::try_from(hello.cookie()).ok()?;
        let keys = [Some(&self.now), self.before.as_ref()];
        let is_ours = |key| verify_slices_are_equal(&cookie(key, from, hello), &given).is_ok();
        keys.into_iter().flatten().any(is_ours).then_some(given)
    }
}

/// The key after this one; none leads back.
fn next(key: &[u8; KEY]) -> [u8; KEY] {
    let mut next = [0; KEY];
    let tag = aws_lc_rs::hmac::sign(&Key::new(HMAC_SHA256, key), b"next");
    next.iter_mut()
        .zip(tag.as_ref())
        .for_each(|(to, from)| *to = *from);
    next
}

fn cookie(key: &[u8; KEY], from: SocketAddr, hello: &ClientHello<'_>) -> [u8; COOKIE] {
    let mut context = Context::with_key(&Key::new(HMAC_SHA256, key));
    match from.ip() {
        IpAddr::V4(ip) => context.update(&ip.to_ipv6_mapped().octets()),
        IpAddr::V6(ip) => context.update(&ip.octets()),
    }
    context.update(&from.port().to_be_bytes());
    for part in hello.parts() {
        context.update(part);
    }
    let tag = context.sign();
    let mut cookie = [0; COOKIE];
    cookie
        .iter_mut()
        .zip(tag.as_ref())
        .for_each(|(to, from)| *to = *from);
    cookie
}

#[cfg(test)]
mod tests;
