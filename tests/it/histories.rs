//! Random histories of mapping and de-mapping under a bad line, a gateway that is killed, and a
//! service provider that is suspended now and then. However they went: at quiet each device holds exactly the
//! pairs that are ESTABLISHED, and a pair it once forgot has never come back.
//!
//! A seed gives the same plans, the same losses and the same order of both; how they fall
//! together is the machine's. `ICS_HISTORY_SEED` goes through those of a seed again,
//! `ICS_HISTORIES=1000` is for a release, `ICS_HISTORIES_AT_ONCE` says how many devices live at a time.

pub(crate) mod caller;
pub(crate) mod life;
mod mishaps;
pub(crate) mod thing;
pub(crate) mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ics_examples::chance::Dice;
use ics_tests::rounds;

use life::{Report, live};
use thing::MqttThing;
use world::World;

/// How many devices live at a time, unless the environment says otherwise.
const AT_ONCE: u32 = 40;

#[test]
fn whatever_happened_a_device_holds_exactly_its_established_rows() {
    let sizes = Sizes {
        variable: "ICS_HISTORIES",
        otherwise: 40,
        at_once: AT_ONCE,
        rest: Duration::from_secs(2),
    };
    go_through(&sizes, |world, number, dice| {
        live::<MqttThing<'_>>(world, number, dice)
    });
}

/// How many histories, and how crowded.
pub(crate) struct Sizes {
    /// Says in the environment how many there are, with `_AT_ONCE` how many devices live at a time.
    pub(crate) variable: &'static str,
    /// How many there are if it does not.
    pub(crate) otherwise: u32,
    pub(crate) at_once: u32,
    /// The least time between two mishaps of everybody.
    pub(crate) rest: Duration,
}

/// Lives through histories, and judges each.
pub(crate) fn go_through(sizes: &Sizes, live: impl Fn(&World, u32, Dice) -> Report + Sync) {
    let histories = rounds(sizes.variable, sizes.otherwise);
    let seed = std::env::var("ICS_HISTORY_SEED")
        .map_or_else(|_| fresh_seed(), |text| text.parse().expect("a number"));
    println!("seed {seed} (ICS_HISTORY_SEED={seed} goes through these again)");
    let world = World::start();
    let begun = Instant::now();
    let (next, total) = (AtomicU32::new(0), Mutex::new(Report::default()));
    let at_once = rounds(&format!("{}_AT_ONCE", sizes.variable), sizes.at_once).min(histories);
    let (kills, suspensions) = std::thread::scope(|scope| {
        let dice = Dice::of(seed).beside(u64::MAX);
        let mishaps = scope.spawn(|| mishaps::happen(&world, sizes.rest, dice));
        let lives: Vec<_> = (0..at_once)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= histories {
                            return;
                        }
                        let dice = Dice::of(seed).beside(number.into());
                        let report = live(&world, number, dice);
                        let mut total = total.lock().unwrap();
                        total.add(&report);
                        if total.histories.is_multiple_of(100) {
                            println!("{:?}: {total}", begun.elapsed());
                        }
                    }
                })
            })
            .collect();
        let fates: Vec<_> = lives.into_iter().map(|life| life.join()).collect();
        world.end_mishaps();
        let mishaps = mishaps.join().expect("mishaps that happened");
        let failed = fates.iter().filter(|fate| fate.is_err()).count();
        assert_eq!(failed, 0, "seed {seed}: histories above did not end well");
        mishaps
    });
    let total = total.into_inner().unwrap();
    println!(
        "in {:?}: {total}; {kills} kills, {suspensions} suspensions",
        begun.elapsed()
    );
    assert!(kills > 0, "the gateway was never killed");
    assert!(
        total.established > 0 && total.revoked > 0,
        "nothing happened: {total}"
    );
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").subsec_nanos().into()
}
