use super::*;

/// QoS 1, DUP, identifier 9, topic `a/b`, no properties, payload of `n` bytes.
fn publish(n: usize) -> Vec<u8> {
    let body = [&[0, 3][..], b"a/b", &[0, 9, 0], &vec![b'x'; n]].concat();
    let length = u16::try_from(body.len()).unwrap();
    let [high, low] = (length << 1).to_be_bytes();
    let head = if length < 128 {
        vec![0x3a, low >> 1]
    } else {
        vec![0x3a, low >> 1 | 0x80, high]
    };
    [head, body].concat()
}

#[test]
fn packets_are_cut_where_they_end() {
    for n in [0, 1, 119, 120, 5_000] {
        let packet = publish(n);
        for whole in 0..packet.len() {
            let mut inbox = packet[..whole].to_vec();
            assert_eq!(cut_packet(&mut inbox).unwrap(), None, "{n} {whole}");
        }
        let mut inbox = [packet.clone(), vec![0xc0, 0]].concat();
        assert_eq!(cut_packet(&mut inbox).unwrap(), Some(packet));
        assert_eq!(cut_packet(&mut inbox).unwrap(), Some(vec![0xc0, 0]));
        assert!(inbox.is_empty());
    }
    assert!(cut_packet(&mut vec![0x30, 0xff, 0xff, 0xff, 0xff]).is_err());
}

#[test]
fn a_copy_says_the_same_at_qos_0() {
    let mut copy = without_identifier(&publish(2)).unwrap();
    assert_eq!(copy, [&[0x30, 8, 0, 3][..], b"a/b", &[0], b"xx"].concat());
    assert_eq!(without_identifier(&copy), Some(copy.clone()));
    assert_eq!(cut_packet(&mut copy.clone()).unwrap(), Some(copy.clone()));
    // Its length takes one byte less than with the identifier.
    copy = without_identifier(&publish(121)).unwrap();
    assert_eq!(copy[..2], [0x30, 127]);
    assert_eq!(cut_packet(&mut copy.clone()).unwrap(), Some(copy));
    assert_eq!(without_identifier(&[0x40, 2, 0, 1]), None);
    assert_eq!(without_identifier(&[0x32, 2, 0, 9]), None);
}
