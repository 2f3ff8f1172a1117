use super::*;

#[test]
fn blocks_survive_a_round_trip_with_comments_around_them() {
    for length in [0, 1, 47, 48, 49, 96, 1000] {
        let der: Vec<u8> = (0..length)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect();
        let text = format!(
            "subject=x\n{}\r\ntrailing\n",
            &*write_block("SOME THING", &der)
        );
        let blocks = read_blocks(&text).unwrap();
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].label, "SOME THING");
        assert_eq!(*blocks[0].der, der);
        assert!(text.lines().all(|line| line.len() <= 64));
    }
}

#[test]
fn the_written_block_never_grows() {
    for length in [0, 1, 100, 5000] {
        let text = write_block("PRIVATE KEY", &vec![7; length]);
        assert!(text.capacity() >= text.len());
        assert!(text.len() <= length * 2 + 2 * "PRIVATE KEY".len() + 64);
    }
}

#[test]
fn broken_blocks_are_refused() {
    for text in [
        "-----BEGIN A-----\nAAAA\n",
        "-----BEGIN A-----\nAAAA\n-----END B-----\n",
        "-----BEGIN A-----\nA!AA\n-----END A-----\n",
        "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END A-----\n",
    ] {
        assert_eq!(
            read_blocks(text).err(),
            Some(InvalidKeyMaterial::Pem),
            "{text}"
        );
    }
    assert_eq!(read_blocks("nothing here").unwrap().len(), 0);
}
