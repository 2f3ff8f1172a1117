use proptest::prelude::*;

use super::*;

#[test]
fn the_examples_of_the_rfc() {
    // RFC 7959 3: 0/1/128, 2/0/64, 0/0/16.
    let block = |number, more, exponent| Block {
        number,
        more,
        exponent,
    };
    assert_eq!(Block::read(&[0x0b]), Some(block(0, true, 3)));
    assert_eq!(Block::read(&[0x22]), Some(block(2, false, 2)));
    assert_eq!(Block::read(&[]), Some(block(0, false, 0)));
    assert_eq!(Block::read(&[0x07]), None);
    assert_eq!(Block::read(&[0, 0, 0, 0]), None);
    assert_eq!(
        (block(5, true, 6).size(), block(5, true, 6).begins_at()),
        (1024, 5120)
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(number in 0u32..1 << 20, more: bool, exponent in 0u8..7) {
        let block = Block { number, more, exponent };
        prop_assert_eq!(Block::read(&block.write()), Some(block));
    }
}
