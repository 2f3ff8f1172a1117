//! Store files that were cut, zeroed, flipped behind the gateway's back: it refuses them with the
//! name of the file and what to do, or says what is lost; it never serves fewer rows in silence,
//! and never falls.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ics_tests::{Dialer, Gateway, Party};
use serde_json::{Value, json};

use super::pair::Pair;
use crate::durability::row::{Row, State};
use crate::durability::world::World;
use crate::engine::Engine;

/// How the report of a panic goes on; one that is contained is a line of the log.
const PANIC: &str = ") panicked at ";

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// Cut to that many thousandths of its size.
    Cut(usize),
    /// So many bytes from so many thousandths of its size on are zero.
    Zero(usize, usize),
    /// One bit is flipped at so many thousandths of its size.
    Flip(usize),
    /// One bit in each of so many places, evenly spread.
    FlipEach(usize),
    /// The file is gone.
    Remove,
}

impl Damage {
    fn to(self, file: &Path) {
        let mut bytes = fs::read(file).expect("a file");
        let at = |thousandths: usize| bytes.len() * thousandths / 1000;
        let end = bytes.len();
        match self {
            Self::Cut(to) => bytes.truncate(at(to)),
            Self::Zero(from, count) => {
                let from = at(from);
                bytes[from..end.min(from + count)].fill(0);
            }
            Self::Flip(place) => {
                let place = at(place).min(end - 1);
                bytes[place] ^= 0x10;
            }
            Self::FlipEach(places) => {
                for place in 0..places {
                    bytes[end * place / places + 7] ^= 0x10;
                }
            }
            Self::Remove => return fs::remove_file(file).expect("a file"),
        }
        fs::write(file, bytes).expect("a writable file");
    }
}

/// The damages of an engine: which file, what.
fn damages(engine: Engine) -> Vec<(&'static str, Damage)> {
    let data = engine.data();
    let mut all: Vec<_> = [
        Damage::Cut(0),
        Damage::Cut(300),
        Damage::Cut(700),
        Damage::Cut(999),
        Damage::Zero(0, 4096),
        Damage::Zero(20, 64 << 10),
        Damage::Zero(60, 128 << 10),
        Damage::Zero(100, 256 << 10),
        Damage::Zero(200, 256 << 10),
        Damage::Zero(0, usize::MAX / 2),
        Damage::Flip(0),
        Damage::Flip(5),
        Damage::Flip(40),
        Damage::Flip(130),
        Damage::FlipEach(100),
        Damage::FlipEach(5_000),
        Damage::Remove,
    ]
    .into_iter()
    .map(|damage| (data, damage))
    .collect();
    for file in ["ics-store.witness", "ics-store.begun"] {
        all.extend(
            [
                Damage::Cut(0),
                Damage::Cut(500),
                Damage::Flip(500),
                Damage::Remove,
            ]
            .map(|d| (file, d)),
        );
    }
    all
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.expect("cp").success());
}

fn run(world: &World, verb: &[&str]) -> Output {
    let file = world.domain.configuration();
    let config = ["--config", file.to_str().expect("UTF-8")];
    Gateway::run(&[verb, &config].concat())
}

fn check(world: &World) -> Output {
    run(world, &["store", "check"])
}

fn digest(world: &World) -> String {
    let checked = text(&check(world));
    let digest = checked.lines().find(|line| line.starts_with("digest"));
    digest.unwrap_or_else(|| panic!("{checked}")).to_owned()
}

/// Does what the refusal says: the backup is back, and what was there beside it.
fn follow_remedy(world: &World, (backup, before): (&Path, &str), what: &str) {
    let from = backup.to_str().expect("UTF-8");
    let restored = run(world, &["restore", "--from", from, "--replace"]);
    let said = text(&restored);
    assert!(restored.status.success(), "{what}: {said}");
    assert_eq!(digest(world), before, "{what}");
    let aside = said
        .lines()
        .find_map(|line| line.strip_prefix("moved aside"));
    let aside = aside.unwrap_or_else(|| panic!("{what}: {said}")).trim();
    fs::remove_dir_all(aside).expect("the store that was replaced");
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// Names the store or one of its files, and what to do.
fn assert_clear(said: &str, store: &Path, what: &str) {
    let named = said.contains(store.to_str().expect("UTF-8"));
    let remedy = ["restore", "backup", "`ics-gateway store"]
        .iter()
        .any(|word| said.contains(word));
    assert!(named && remedy, "{what}: {said}");
}

/// What the gateway that serves a damaged store says of the rows that were acknowledged.
#[derive(Debug, Default)]
struct Told {
    right: usize,
    /// 5xx: said that it cannot be read.
    unreadable: usize,
    /// Another answer than the one that was acknowledged, in silence.
    wrong: Vec<String>,
}

fn ask(party: &Party, request: (&str, &str), body: Option<&Value>) -> (u16, Value) {
    // A connection for each: what breaks one answer breaks no other.
    let token = party.token();
    let answer = Dialer::of(party)
        .dial()
        .and_then(|mut connection| connection.call(request, &token, body))
        .expect("an answer, whatever the store holds");
    let body = serde_json::from_str(&answer.body).unwrap_or_default();
    (answer.status, body)
}

fn read_rows(world: &World, rows: &[Row]) -> Told {
    let mut told = Told::default();
    for row in rows {
        let path = world
            .shop
            .path("ics-mapping", &format!("mappings/{}", row.id));
        let (status, shown) = ask(&world.shop, ("GET", &path), None);
        let by_id = (status, shown["mappingStatus"] == row.last().status());
        let key = json!({ "serviceUri": row.service, "uti": row.uti });
        let path = "/ics-inquiry/v1/retrieve-by-transaction";
        let (status, shown) = ask(&world.shop, ("POST", path), Some(&key));
        let expected = row.last() == State::Established;
        let by_key = match expected {
            true => (status, shown["deviceId"] == row.device.as_str()),
            false => (status, status == 404),
        };
        if [by_id, by_key].iter().any(|(status, _)| *status >= 500) {
            told.unreadable += 1;
        } else if by_id.1 && by_key.1 {
            told.right += 1;
        } else {
            told.wrong.push(format!("{by_id:?} {by_key:?} {row:?}"));
        }
    }
    told
}

fn damaged_files(engine: Engine) {
    let world = World::create(engine);
    let pair = Pair::default();
    pair.work(&world, || pair.wait_for("rows", [150, 0, 0]));
    assert!(world.domain.stop().success());
    let rows = pair.rows.into_inner().unwrap();
    let store: PathBuf = world.domain.file("store");
    let whole = world.domain.scratch().join("whole");
    copy(&store, &whole);
    let (before, backup) = (digest(&world), world.domain.scratch().join("nightly"));
    let to = backup.to_str().expect("UTF-8");
    let taken = run(&world, &["backup", "--offline", "--to", to]);
    assert!(taken.status.success(), "{taken:?}");
    let (mut refused, mut remedied, mut harmless, mut stated) = (0, 0, 0, 0);
    for (name, damage) in damages(engine) {
        let what = format!("{} {name} {damage:?}", engine.name());
        copy(&whole, &store);
        damage.to(&store.join(name));
        let damaged = world.domain.scratch().join("damaged");
        copy(&store, &damaged);
        // By itself.
        let checked = check(&world);
        let is_sound = checked.status.code() == Some(0);
        assert!(
            is_sound || checked.status.code() == Some(1),
            "{what}: {checked:?}"
        );
        if !is_sound {
            assert_clear(&text(&checked), &store, &what);
        }
        assert!(
            !text(&checked).contains(PANIC),
            "{what}: {}",
            text(&checked)
        );
        // And by who looks at nothing before it serves.
        copy(&damaged, &store);
        let logged = world.domain.log().len();
        let served = world.domain.try_serve();
        let log = || world.domain.log()[logged..].to_owned();
        match served {
            Err(status) => {
                assert_eq!(status.code(), Some(1), "{what}: {}", log());
                assert_clear(&log(), &store, &what);
                assert!(!is_sound, "{what}: sound, and refused: {}", log());
                let way = "ics-gateway restore --config FILE --from BACKUP --replace";
                if log().contains(way) {
                    follow_remedy(&world, (&backup, &before), &what);
                    remedied += 1;
                }
                refused += 1;
            }
            Ok(()) => {
                world.forget_tokens();
                let told = read_rows(&world, &rows);
                world.domain.kill();
                assert_eq!(told.wrong, Vec::<String>::new(), "{what}: {}", log());
                if told.unreadable > 0 {
                    assert!(
                        !is_sound,
                        "{what}: {told:?}, and `store check` calls it sound"
                    );
                    stated += 1;
                } else {
                    harmless += 1;
                }
            }
        }
        assert!(!log().contains(PANIC), "{what}: {}", log());
    }
    println!(
        "{}: {} rows; {refused} damages refused at start, {remedied} of them with a remedy that worked, {stated} told when read, {harmless} harmless",
        engine.name(),
        rows.len()
    );
    assert!(refused > 0 && remedied > 0);
    // What was put aside is whole.
    copy(&whole, &store);
    world.serve();
    assert_eq!(read_rows(&world, &rows).right, rows.len());
}

#[test]
fn a_damaged_store_is_refused_by_name_or_its_loss_is_told() {
    damaged_files(Engine::Redb);
}

#[test]
fn a_damaged_store_is_refused_by_name_or_its_loss_is_told_on_sled() {
    damaged_files(Engine::Sled);
}
