use proptest::prelude::*;

use super::*;

const BODY: &[u8] = b"\x00\x07watch-7";

fn piece(offset: usize, bytes: &[u8]) -> Piece<'_> {
    Piece {
        kind: CLIENT_KEY_EXCHANGE,
        length: BODY.len(),
        number: FIRST,
        offset,
        bytes,
    }
}

#[test]
fn what_does_not_belong_to_a_flight_changes_nothing() {
    let mut flight = Flight::new(true);
    let good = piece(0, BODY);
    let others = [
        Piece {
            kind: CERTIFICATE,
            ..good
        },
        Piece { number: 0, ..good },
        Piece { number: 3, ..good },
        Piece {
            length: LONGEST + 1,
            ..good
        },
        Piece {
            length: 0,
            bytes: &[],
            ..good
        },
    ];
    for other in others {
        flight.take(&other);
        assert!(
            matches!(flight.messages[0].came, Came::Nothing),
            "{other:?}"
        );
    }
    flight.take(&good);
    assert_eq!(flight.identity(), Some(&b"watch-7"[..]));
}

proptest! {
    #[test]
    fn pieces_in_any_order_make_the_message(
        pieces in prop::collection::vec((0..BODY.len(), 0..BODY.len()), 0..12),
    ) {
        let mut flight = Flight::new(true);
        for (from, to) in pieces {
            let bytes = BODY.get(from..to).unwrap_or_default();
            flight.take(&piece(from, bytes));
        }
        flight.take(&piece(1, &BODY[1..]));
        flight.take(&piece(0, &BODY[..1]));
        prop_assert!(flight.is_whole());
        prop_assert_eq!(flight.identity(), Some(&b"watch-7"[..]));
    }
}
