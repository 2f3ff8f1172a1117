//! The fuzz targets on stable, in seconds: every committed input, and some thousand mutations of
//! them that are the same in every run. `tests/fuzz/run` goes on from there.

#[path = "fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use targets::{TARGETS, Target};

/// Mutated inputs a target.
const MUTATIONS: usize = 4000;

fn fuzz_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The committed inputs of a target, with their names, in the order of these.
fn corpus_of(name: &str) -> Vec<(String, Vec<u8>)> {
    let directory = fuzz_directory().join("corpus").join(name);
    let entries = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("`{}`: {error}", directory.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let bytes = fs::read(entry.path()).expect("a file");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    inputs.sort();
    inputs
}

/// What the target says of the input: `None` when all that must hold does.
fn fault_of((_, check): &Target, input: &[u8]) -> Option<String> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| check(input)));
    let fault = outcome.err()?;
    let told = fault.downcast_ref::<String>().cloned();
    let told = told.or_else(|| fault.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(told.unwrap_or_default())
}

/// Runs every target over the inputs made of its corpus, and tells all faults there are.
fn run_all(inputs: impl Fn(&str) -> Vec<(String, Vec<u8>)>) -> usize {
    let (mut faults, mut runs) = (Vec::new(), 0);
    for target in TARGETS {
        for (name, input) in inputs(target.0) {
            runs += 1;
            if let Some(fault) = fault_of(target, &input) {
                let input = String::from_utf8_lossy(&input).into_owned();
                faults.push(format!("{} {name}: {fault}\n  {input:?}", target.0));
                break;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    runs
}

#[test]
fn what_must_hold_holds_of_every_committed_input() {
    let runs = run_all(corpus_of);
    println!("{runs} inputs");
}

#[test]
fn what_must_hold_holds_of_mutated_inputs() {
    let runs = run_all(|target| {
        let seeds = corpus_of(target);
        // Fixed, and another one for each target.
        let mut random = Random(target.bytes().fold(0x9e37_79b9_7f4a_7c15, |seed, byte| {
            seed.rotate_left(7) ^ u64::from(byte)
        }));
        let mutated = (0..MUTATIONS).map(|round| {
            let (name, seed) = &seeds[random.below(seeds.len())];
            let other = &seeds[random.below(seeds.len())].1;
            (
                format!("{name}, mutation {round}"),
                mutate(seed, other, &mut random),
            )
        });
        mutated.collect()
    });
    println!("{runs} mutated inputs");
}

#[test]
fn every_target_has_a_corpus_and_a_binary() {
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz_directory().join(folder)).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.to_string_lossy().trim_end_matches(".rs").to_owned());
        names.collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "no name comes twice");
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets);
    let manifest = fs::read_to_string(fuzz_directory().join("Cargo.toml")).expect("a manifest");
    for (name, _) in TARGETS {
        assert!(!corpus_of(name).is_empty(), "{name} has no input");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn a_fault_is_told() {
    fn faulty(data: &[u8]) {
        assert!(!data.starts_with(b"no"), "begins with no");
    }
    let target: Target = ("faulty", faulty);
    assert_eq!(fault_of(&target, b"yes"), None);
    assert_eq!(fault_of(&target, b"no").as_deref(), Some("begins with no"));
}

/// A fixed xorshift: the mutations are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a length");
        usize::try_from(self.next() % end).expect("below a length")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// Bytes and words that mean something to one reader or another.
const WORDS: [&[u8]; 32] = [
    b"%",
    b"%25",
    b"%2F",
    b"%40",
    b"@",
    b"+",
    b"-",
    b".",
    b"..",
    b"/",
    b":",
    b";",
    b"&",
    b"=",
    b"?",
    b"\"",
    b"\\",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"1e999",
    b"26201",
    b"imsi-",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbc\xa0",
    b"00000000-0000-4000-8000-000000000000",
];

/// A few changes to `seed`: bytes flipped, put in, taken out, words put in, another input spliced.
fn mutate(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 => bytes.insert(at, random.byte()),
            1 | 2 => {
                let word = WORDS[random.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            3 => {
                let end = (at + random.below(8)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let tail = &other[random.below(other.len() + 1)..];
                bytes.splice(at.., tail.iter().copied());
            }
            5 => {
                let end = (at + random.below(16)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}
