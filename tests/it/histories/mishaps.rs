//! What happens to everybody at once: the gateway is killed, the IoT SP suspended for a moment.

use std::thread::sleep;
use std::time::{Duration, Instant};

use ics_examples::chance::Dice;
use ics_tests::eventually;

use super::world::World;

/// Goes on until the world is told that it is over, with at least `rest` between two of them; how
/// often each of the two happened.
pub(super) fn happen(world: &World, rest: Duration, mut dice: Dice) -> (u32, u32) {
    let (mut kills, mut suspensions) = (0, 0);
    // A machine on which it takes long to start needs longer for everything between two kills.
    let mut start = Duration::ZERO;
    while wait(
        world,
        rest + Duration::from_millis(dice.below(3_000)) + 8 * start,
    ) {
        // The first is a kill: without any there is nothing to see.
        if dice.is_hit(70) || kills == 0 {
            world.domain.kill();
            let begun = Instant::now();
            world.domain.serve();
            start = begun.elapsed();
            kills += 1;
        } else {
            set(world, "suspend");
            sleep(Duration::from_millis(dice.below(1_000)));
            set(world, "resume");
            suspensions += 1;
        }
    }
    (kills, suspensions)
}

/// Whether it shall go on, after so long.
fn wait(world: &World, span: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < span {
        if world.is_over() {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    true
}

fn set(world: &World, what: &str) {
    let path = format!("/operator/v1/sps/acme/{what}");
    eventually(what, || {
        world.domain.operator("POST", &path, None).status == 200
    });
}
