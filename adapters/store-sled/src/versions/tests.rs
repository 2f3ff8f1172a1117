use super::{Layer, Versions};

fn layer(pairs: &[(&str, Option<&str>)]) -> Layer {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| {
            (
                key.as_bytes().to_vec(),
                value.map(|v| v.as_bytes().to_vec()),
            )
        })
        .collect()
}

#[test]
fn a_reader_is_told_what_later_writes_replaced_and_no_more() {
    let versions = Versions::default();
    let first = versions.begin_reading();
    let one = versions.begin_writing(layer(&[("a", Some("0")), ("b", None)]));
    // Not durable yet: new readers see what was before too.
    let during = versions.begin_reading();
    assert_eq!((first, during), (0, 0));
    assert_eq!(versions.held(during, b"a"), Some(Some(b"0".to_vec())));
    assert_eq!(versions.unfinished().map(|(v, _)| v), Some(one));
    versions.end_writing(one);
    let second = versions.begin_reading();
    assert_eq!(versions.held(second, b"a"), None, "its own version");
    let two = versions.begin_writing(layer(&[("a", Some("1"))]));
    versions.end_writing(two);
    assert_eq!(
        versions.held(first, b"a"),
        Some(Some(b"0".to_vec())),
        "the lowest layer"
    );
    assert_eq!(versions.held(second, b"a"), Some(Some(b"1".to_vec())));
    assert_eq!(versions.held(first, b"b"), Some(None));
    assert_eq!(versions.held(first, b"c"), None);
    assert_eq!(
        versions.held_in(first, (b"a", b"c")),
        layer(&[("a", Some("0")), ("b", None)])
    );
    assert_eq!(versions.held_in(first, (b"c", b"a")), Layer::new());
}

#[test]
fn layers_go_with_their_last_reader() {
    let versions = Versions::default();
    let reader = versions.begin_reading();
    for _ in 0..10 {
        let version = versions.begin_writing(layer(&[("a", None)]));
        versions.end_writing(version);
    }
    assert_eq!(versions.state().layers.len(), 1, "nobody reads between");
    versions.end_reading(reader);
    assert_eq!(versions.state().layers.len(), 0);
    // A write that failed keeps its layer until it is taken back.
    let failed = versions.begin_writing(layer(&[("a", None)]));
    versions.end_reading(versions.begin_reading());
    assert_eq!(versions.unfinished().map(|(v, _)| v), Some(failed));
    versions.end_writing(failed);
    assert!(versions.unfinished().is_none() && versions.state().layers.is_empty());
}

/// As long as a backup takes: what readers look through, and what is kept, does not grow with the
/// commits since it began.
#[test]
fn a_reader_that_stays_costs_those_that_come_and_go_no_layers() {
    let versions = Versions::default();
    let backup = versions.begin_reading();
    for number in 0..1000 {
        let held = number.to_string();
        let version = versions.begin_writing(layer(&[("a", Some(held.as_str()))]));
        // Begun before, during and after the write.
        let during = versions.begin_reading();
        versions.end_writing(version);
        let after = versions.begin_reading();
        assert!(versions.state().layers.len() <= 3);
        assert_eq!(versions.held(during, b"a"), Some(Some(held.into_bytes())));
        assert_eq!(versions.held(after, b"a"), None);
        versions.end_reading(after);
        versions.end_reading(during);
        assert_eq!(versions.held(backup, b"a"), Some(Some(b"0".to_vec())));
        assert_eq!(versions.state().layers.len(), 1);
    }
    versions.end_reading(backup);
    assert!(versions.state().layers.is_empty());
}

/// Every reader is told what its version held, whoever else comes and goes: compared with whole
/// copies.
#[test]
fn merged_layers_say_what_single_ones_said() {
    let versions = Versions::default();
    let mut seed = 11_u64;
    let mut roll = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut now = Layer::new();
    let mut readers: Vec<(u64, Layer)> = Vec::new();
    for number in 0..3000_u64 {
        let keys: Vec<Vec<u8>> = (0..=roll(3))
            .map(|_| b"abcdef"[roll(6)..][..1].to_vec())
            .collect();
        let held = keys
            .iter()
            .map(|key| (key.clone(), now.get(key).cloned().flatten()));
        let version = versions.begin_writing(held.collect());
        if roll(2) == 0 {
            readers.push((versions.begin_reading(), now.clone()));
        }
        for key in keys {
            let value = (roll(4) > 0).then(|| number.to_be_bytes().to_vec());
            now.insert(key, value);
        }
        versions.end_writing(version);
        if roll(2) == 0 {
            readers.push((versions.begin_reading(), now.clone()));
        }
        while readers.len() > 5 || (roll(3) == 0 && !readers.is_empty()) {
            let (version, _) = readers.swap_remove(roll(readers.len()));
            versions.end_reading(version);
        }
        assert!(versions.state().layers.len() <= readers.len() + 1);
        for (version, then) in &readers {
            for letter in b'a'..=b'f' {
                let key = [letter];
                let current = now.get(&key[..]).cloned().flatten();
                let told = versions.held(*version, &key).unwrap_or(current);
                assert_eq!(told, then.get(&key[..]).cloned().flatten());
            }
        }
    }
}
