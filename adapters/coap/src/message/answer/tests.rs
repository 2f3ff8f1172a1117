use super::*;

#[test]
fn an_answer_is_on_the_wire_as_the_rfc_draws_it() {
    let answer = Answer {
        content_format: Some(60),
        etag: Some(vec![7]),
        pending: Some(1),
        payload: b"x".to_vec(),
        ..Answer::of(Code::CONTENT)
    };
    assert_eq!(
        answer.write(Kind::Acknowledgement, 0x1234, &[9]),
        // 2.05; token; ETag (4); Content-Format (12); 65020; payload.
        b"\x61\x45\x12\x34\x09\x41\x07\x81\x3c\xe1\xfc\xe3\x01\xffx"
    );
    let done = Answer::of(Code::CHANGED);
    assert_eq!(done.write(Kind::NonConfirmable, 1, &[]), b"\x50\x44\0\x01");
    assert_eq!(done.write(Kind::Confirmable, 1, &[]), b"\x40\x44\0\x01");
    assert_eq!(
        (acknowledgement(7), reset(7)),
        ([0x60, 0, 0, 7], [0x70, 0, 0, 7])
    );
}

#[test]
fn a_number_has_no_byte_more_than_it_needs() {
    let answer = Answer {
        pending: Some(0),
        max_age: Some(0x0100),
        observe: Some(0x0100_0001),
        ..Answer::of(Code::UNAVAILABLE)
    };
    assert_eq!(
        answer.write(Kind::Confirmable, 1, &[]),
        b"\x40\xa3\0\x01\x61\x01\x82\x01\x00\xe0\xfc\xe1"
    );
}

#[test]
fn no_response_names_classes() {
    for (classes, unwanted) in [(0, [false; 3]), (2, [true, false, false]), (26, [true; 3])] {
        let codes = [Code::CONTENT, Code::NOT_FOUND, Code::UNAVAILABLE];
        assert_eq!(
            codes.map(|code| code.is_unwanted(classes)),
            unwanted,
            "{classes}"
        );
    }
}
