use std::sync::atomic::{AtomicU8, Ordering};

use super::*;

/// Counts, so that every key differs from every other and each is known.
#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, Ordering::Relaxed) + 1);
    }
}

fn encoded(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

#[test]
fn a_generated_keyring_survives_a_round_trip() {
    let made = Keyring::generate(&Counting::default());
    let text = made.render();
    let expected = format!(
        "ics-keyring 1\nseal 1 {}\nindex {}\n",
        encoded(1),
        encoded(2)
    );
    assert_eq!(*text, expected);
    assert_eq!(*Keyring::parse(&text).unwrap().render(), expected);
}

#[test]
fn rotation_keeps_former_keys_for_opening_and_the_index_key() {
    let entropy = Counting::default();
    let keyring = Keyring::generate(&entropy)
        .rotate(&entropy)
        .unwrap()
        .rotate(&entropy)
        .unwrap();
    let text = keyring.render();
    let [one, index, two, three] = [1, 2, 3, 4].map(encoded);
    let expected =
        format!("ics-keyring 1\nseal 3 {three}\nopen 2 {two}\nopen 1 {one}\nindex {index}\n");
    assert_eq!(*text, expected);
    assert_eq!(*Keyring::parse(&text).unwrap().render(), expected);
}

#[test]
fn rotation_never_gives_an_id_twice() {
    let entropy = Counting::default();
    let text = format!(
        "ics-keyring 1\nseal 1 {}\nopen 4294967295 {}\nindex {}\n",
        encoded(101),
        encoded(102),
        encoded(103)
    );
    let rotated = Keyring::parse(&text).unwrap().rotate(&entropy);
    assert_eq!(rotated.err(), Some(KeyringError::NoKeyId));
}

#[test]
fn comments_and_empty_lines_say_nothing() {
    let text = format!(
        "ics-keyring 1\n# made by hand\n\n  index {}  \r\nseal 7 {}\n",
        encoded(1),
        encoded(2)
    );
    assert_eq!(
        *Keyring::parse(&text).unwrap().render(),
        format!(
            "ics-keyring 1\nseal 7 {}\nindex {}\n",
            encoded(2),
            encoded(1)
        )
    );
}

#[test]
fn what_is_no_keyring_is_refused_with_its_line() {
    use KeyringError::{Line, NoIndexKey, NoSealingKey, Repeated, Version};
    let (seal, index) = (
        format!("seal 1 {}", encoded(1)),
        format!("index {}", encoded(2)),
    );
    let short = STANDARD.encode([1; 31]);
    let cases = [
        (String::new(), Version),
        (format!("ics-keyring 2\n{seal}\n{index}"), Version),
        (format!("{seal}\n{index}"), Version),
        (format!("ics-keyring 1\n{seal}"), NoIndexKey),
        (format!("ics-keyring 1\n{index}"), NoSealingKey),
        (format!("ics-keyring 1\n{seal}\n{index}\nnonsense"), Line(4)),
        (format!("ics-keyring 1\n{seal}\nindex {short}"), Line(3)),
        (format!("ics-keyring 1\n{seal}\nindex !!"), Line(3)),
        (
            format!("ics-keyring 1\n{index}\nseal -1 {}", encoded(1)),
            Line(3),
        ),
        (
            format!("ics-keyring 1\n{index}\nopens 1 {}", encoded(1)),
            Line(3),
        ),
        (
            format!("ics-keyring 1\n{index}\nseal {}", encoded(1)),
            Line(3),
        ),
        (
            format!("ics-keyring 1\n{seal}\nseal 2 {}\n{index}", encoded(3)),
            Repeated(3),
        ),
        (
            format!("ics-keyring 1\n{seal}\nopen 1 {}\n{index}", encoded(3)),
            Repeated(3),
        ),
        (
            format!("ics-keyring 1\n{seal}\nopen 2 {}\n{index}", encoded(1)),
            Repeated(3),
        ),
        (
            format!("ics-keyring 1\n{seal}\n{index}\nindex {}", encoded(3)),
            Repeated(4),
        ),
        (
            format!("ics-keyring 1\n{seal}\nindex {}", encoded(1)),
            Repeated(3),
        ),
        (
            format!("ics-keyring 1\n{index}\nseal 1 {}", encoded(2)),
            Repeated(3),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(Keyring::parse(&text).err(), Some(expected), "{text}");
    }
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", Keyring::generate(&Counting::default()));
    assert_eq!(shown, "Keyring(1 sealing keys)");
}

#[test]
fn the_rendered_text_never_grows() {
    let entropy = Counting::default();
    let mut keyring = Keyring::generate(&entropy);
    for _ in 0..20 {
        assert!(keyring.render().len() <= 64 * (keyring.opening.len() + 4));
        keyring = keyring.rotate(&entropy).unwrap();
    }
}
