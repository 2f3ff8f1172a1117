//! How much a service provider may ask: requests a second, and failed mappings a day.
//!
//! Requests are counted by the generic cell rate algorithm (ITU-T I.371): one number for each
//! SP, the instant at which its bucket is empty again. `governor` would do the same, but reads its own
//! clock and has one quota for all keys; here the time is an argument and each SP has its own limits.
//!
//! The state is in memory and belongs to one gateway: a restart starts fresh. It has one entry for
//! each SP that ever authenticated, so its size is the operator's doing, never a stranger's.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ics_core::id::SpId;
use ics_core::party::{Limits, Party};
use ics_core::port::{RateLimited, RateLimiter};
use ics_core::time::Timestamp;

/// Shards of the table. A request takes one shard's lock for reading, and writes one atomic.
const SHARDS: usize = 16;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// How far the times of two requests that run at once may differ.
const CLOCK_SKEW: u64 = NANOS_PER_SECOND;
/// The most requests that are owed at once, whatever bulk inquiries held.
const MOST_OWED: u64 = 1_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;
const MILLIS_PER_DAY: i64 = 86_400_000;

type Shard = RwLock<HashMap<SpId, Meter>>;

/// Keeps every SP within its own [`Limits`].
#[derive(Debug, Default)]
pub struct Limiter {
    shards: [Shard; SHARDS],
    hasher: RandomState,
}

impl Limiter {
    /// A limiter that has seen nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `act` on the meter of `sp`, which is made at first sight.
    fn with_meter<T>(&self, sp: &SpId, act: impl FnOnce(&Meter) -> T) -> T {
        // A meter is a pair of atomics: no panic leaves one half written, so poison means nothing.
        let shard = self.shard_of(sp);
        {
            let known = shard.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(meter) = known.get(sp) {
                return act(meter);
            }
        }
        act(shard
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(sp.clone())
            .or_default())
    }

    fn shard_of(&self, sp: &SpId) -> &Shard {
        let [first, ..] = &self.shards;
        let low_bits = usize::try_from(self.hasher.hash_one(sp) & 0xffff).unwrap_or(0);
        self.shards.get(low_bits % SHARDS).unwrap_or(first)
    }
}

impl RateLimiter for Limiter {
    fn admit(&self, party: &Party, now: Timestamp) -> Result<(), RateLimited> {
        self.with_meter(&party.id, |meter| meter.admit(party.limits, now))
    }

    fn charge(&self, party: &Party, requests: u32, now: Timestamp) {
        self.with_meter(&party.id, |meter| meter.charge(party.limits, requests, now));
    }

    fn has_failure_quota(&self, party: &Party, now: Timestamp) -> bool {
        let failed = self.with_meter(&party.id, |meter| meter.failures_on(utc_day(now)));
        failed < party.limits.failed_mappings_per_day.get()
    }

    fn count_failure(&self, third_party_sp: &SpId, now: Timestamp) {
        self.with_meter(third_party_sp, |meter| meter.count_failure(utc_day(now)));
    }
}

/// What is remembered of one SP.
#[derive(Debug, Default)]
struct Meter {
    /// Theoretical arrival time: nanoseconds since 1970 at which the bucket is empty again.
    drained_at: AtomicU64,
    /// When requests were last charged that had not been counted one by one; 0 for never.
    charged_at: AtomicU64,
    /// UTC day since 1970 in the upper 32 bits, failed mappings of that day in the lower.
    failures: AtomicU64,
}

impl Meter {
    fn admit(&self, limits: Limits, now: Timestamp) -> Result<(), RateLimited> {
        let now = nanos(now);
        let interval = NANOS_PER_SECOND / u64::from(limits.requests_per_second.get());
        // A burst of one second's worth, all at one instant.
        let capacity = interval.saturating_mul(u64::from(limits.requests_per_second.get()));
        let mut seen = self.drained_at.load(Ordering::Relaxed);
        loop {
            let start = self.plausible_start(seen, (now, interval), capacity);
            let next = start.saturating_add(interval);
            let ahead = next.saturating_sub(now);
            if ahead > capacity {
                return Err(RateLimited {
                    retry_after: Duration::from_nanos(ahead - capacity),
                });
            }
            match self.drained_at.compare_exchange_weak(
                seen,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(current) => seen = current,
            }
        }
    }

    fn charge(&self, limits: Limits, requests: u32, now: Timestamp) {
        let now = nanos(now);
        let interval = NANOS_PER_SECOND / u64::from(limits.requests_per_second.get());
        let most = now.saturating_add(most_ahead(interval));
        // A clock that was set back since counts anew.
        let charged = self.charged_at.load(Ordering::Relaxed);
        if charged < now || charged > now.saturating_add(CLOCK_SKEW) {
            self.charged_at.store(now, Ordering::Relaxed);
        }
        let mut seen = self.drained_at.load(Ordering::Relaxed);
        loop {
            let start = self.plausible_start(seen, (now, interval), NANOS_PER_SECOND);
            let next = start.saturating_add(interval.saturating_mul(u64::from(requests)));
            match self.drained_at.compare_exchange_weak(
                seen,
                next.min(most),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(current) => seen = current,
            }
        }
    }

    /// Where the bucket stands. A full one ends `capacity` after the time it was filled at, or as
    /// much later as can be owed; one that ends later than that, and later than threads' times
    /// differ, was filled by a clock that has been set back since: forget it.
    fn plausible_start(&self, seen: u64, (now, interval): (u64, u64), capacity: u64) -> u64 {
        let latest = now.saturating_add(capacity).saturating_add(CLOCK_SKEW);
        let charged_at = self.charged_at.load(Ordering::Relaxed);
        let owed = if charged_at > now.saturating_add(CLOCK_SKEW) {
            0
        } else {
            charged_at.saturating_add(most_ahead(interval))
        };
        if seen > latest.max(owed) {
            now
        } else {
            seen.max(now)
        }
    }

    fn failures_on(&self, today: u32) -> u32 {
        let (day, count) = unpack(self.failures.load(Ordering::Relaxed));
        if is_current(day, today) { count } else { 0 }
    }

    fn count_failure(&self, today: u32) {
        let mut seen = self.failures.load(Ordering::Relaxed);
        loop {
            let next = match unpack(seen) {
                (day, count) if is_current(day, today) => pack(day, count.saturating_add(1)),
                _ => pack(today, 1),
            };
            match self.failures.compare_exchange_weak(
                seen,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(current) => seen = current,
            }
        }
    }
}

/// How far a bucket can be ahead of the time it was charged at.
const fn most_ahead(interval: u64) -> u64 {
    NANOS_PER_SECOND.saturating_add(interval.saturating_mul(MOST_OWED))
}

/// Whether a count of `day` is today's. A thread that read the clock just before midnight adds to
/// the new day rather than bringing the old one back; any other day ahead is a clock set back.
const fn is_current(day: u32, today: u32) -> bool {
    day == today || day == today.saturating_add(1)
}

fn pack(day: u32, count: u32) -> u64 {
    u64::from(day) << 32 | u64::from(count)
}

fn unpack(packed: u64) -> (u32, u32) {
    let low = packed & u64::from(u32::MAX);
    (
        u32::try_from(packed >> 32).unwrap_or(u32::MAX),
        u32::try_from(low).unwrap_or(u32::MAX),
    )
}

/// Days of UTC since 1970.
fn utc_day(now: Timestamp) -> u32 {
    u32::try_from(now.millis() / MILLIS_PER_DAY).unwrap_or(0)
}

/// Nanoseconds since 1970; saturates in the year 2554.
fn nanos(now: Timestamp) -> u64 {
    u64::try_from(now.millis())
        .unwrap_or(0)
        .saturating_mul(NANOS_PER_MILLI)
}

#[cfg(test)]
mod tests;
