use super::*;

fn stretched(password: &str) -> String {
    let salt: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let hash = stretch_password(password, salt).unwrap();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As the reference implementation (P-H-C, through argon2-cffi 25.1) makes them.
#[test]
fn the_hash_is_that_of_the_reference_implementation() {
    assert_eq!(
        stretched("correct horse battery"),
        "f9c315ba18a49d273b6c1d287caf0e0a9f6c7b23848a06762778ab875b5477d8"
    );
    assert_eq!(
        stretched("pässwörd-of-a-device"),
        "dd4e6bda9c4b21035bdd08db1e2205aef363de13b4f85e611259753052958a59"
    );
}
