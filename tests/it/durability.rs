//! What was acknowledged survives kill -9 (issue "end to end", durability): under 16 concurrent
//! writers, at moments nobody chose, round after round on one store, on each engine.
//!
//! `ICS_KILL_ROUNDS` says how many rounds (12 when it does not).

pub(crate) mod reader;
pub(crate) mod row;
pub(crate) mod world;
pub(crate) mod writer;

use ics_tests::{Domain, rounds};

use self::reader::Reader;
use self::world::World;
use self::writer::{Dice, write_until};
use crate::engine::Engine;

const WRITERS: usize = 16;

fn acknowledged_changes_survive_kill_9(engine: Engine) {
    let rounds = rounds("ICS_KILL_ROUNDS", 12);
    let (world, mut dice, mut rows) = (World::create(engine), Dice::cast(), Vec::new());
    for round in 0..rounds {
        let mut written = write_until(&world, (round, WRITERS), &mut dice, || world.domain.kill());
        // Half of the time the gateway itself is the first to open what was left.
        if dice.below(2) == 0 {
            world.check_store();
        }
        world.serve();
        let mut reader = Reader::start(&world);
        for row in &mut written {
            reader.check(row);
        }
        rows.append(&mut written);
    }
    // One a writer and round was asked for and never answered.
    let shown = world.settle(&mut rows, WRITERS * rounds as usize);
    println!("{}: {rounds} rounds of kill -9: {shown}", engine.name());
}

#[test]
fn acknowledged_changes_survive_kill_9_under_16_writers() {
    acknowledged_changes_survive_kill_9(Engine::Redb);
}

#[test]
fn acknowledged_changes_survive_kill_9_under_16_writers_on_sled() {
    acknowledged_changes_survive_kill_9(Engine::Sled);
}

#[test]
fn second_gateway_on_the_same_store_is_refused() {
    let domain = Domain::start(|text| text);
    let file = domain.configuration();
    let text = std::fs::read_to_string(&file).unwrap();
    let other = file.with_file_name("second.toml");
    let moved = text
        .replace(&domain.t8_address(), "127.0.0.1:0")
        .replace(&domain.operator_address(), "127.0.0.1:0")
        .replace(
            "public_url = \"https://127.0.0.1:0\"",
            "public_url = \"https://127.0.0.1:1\"",
        );
    std::fs::write(&other, moved).unwrap();
    let run = ics_tests::Gateway::run(&["serve", "--config", other.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success(), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    domain
        .operator("GET", "/operator/v1/status", None)
        .expect(200);
}
