//! Cookies that nobody has to remember: a number, and a keyed hash of it, of who asks and what for.

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
    /// How many were given.
    given: u64,
}

const KEY: usize = 32;
/// Of a cookie the first bytes are its number, 96 bits of hash the others.
const NUMBER: usize = 8;

impl Cookies {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut now = [0; KEY];
        entropy.fill(&mut now);
        Self {
            since: None,
            now,
            before: None,
            given: 0,
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
    pub(crate) fn of(&mut self, from: SocketAddr, hello: &ClientHello<'_>) -> [u8; COOKIE] {
        self.given = self.given.wrapping_add(1);
        cookie(&self.now, self.given.to_be_bytes(), (from, hello))
    }

    /// The cookie it brings, if we gave it to this address for this message.
    pub(crate) fn proven(&self, from: SocketAddr, hello: &ClientHello<'_>) -> Option<[u8; COOKIE]> {
        let given = <[u8; COOKIE]>::try_from(hello.cookie()).ok()?;
        let keys = [Some(&self.now), self.before.as_ref()];
        let (number, _) = given.split_first_chunk::<NUMBER>()?;
        let of = |key| cookie(key, *number, (from, hello));
        let is_ours = |key| verify_slices_are_equal(&of(key), &given).is_ok();
        keys.into_iter().flatten().any(is_ours).then_some(given)
    }
}

/// Whether a cookie was given after another. Both are ours.
pub(crate) fn is_newer(one: &[u8; COOKIE], other: &[u8; COOKIE]) -> bool {
    one.first_chunk::<NUMBER>() > other.first_chunk::<NUMBER>()
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

fn cookie(
    key: &[u8; KEY],
    number: [u8; NUMBER],
    (from, hello): (SocketAddr, &ClientHello<'_>),
) -> [u8; COOKIE] {
    let mut context = Context::with_key(&Key::new(HMAC_SHA256, key));
    context.update(&number);
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
    let bytes = number.iter().chain(tag.as_ref());
    cookie
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    cookie
}

#[cfg(test)]
mod tests;
