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
    assert_eq!(versions.state().layers.len(), 10);
    versions.end_reading(reader);
    assert_eq!(versions.state().layers.len(), 0);
    // A write that failed keeps its layer until it is taken back.
    let failed = versions.begin_writing(layer(&[("a", None)]));
    versions.end_reading(versions.begin_reading());
    assert_eq!(versions.unfinished().map(|(v, _)| v), Some(failed));
    versions.end_writing(failed);
    assert!(versions.unfinished().is_none() && versions.state().layers.is_empty());
}
