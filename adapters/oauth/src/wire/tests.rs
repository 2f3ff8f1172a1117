use super::*;

#[test]
fn a_form_gives_its_parameters() {
    let form =
        Form::parse(b"grant_type=client_credentials&scope=a+b%20c&empty=&flag&&x=1=2").unwrap();
    assert_eq!(form.value("grant_type"), Some("client_credentials"));
    assert_eq!(form.value("scope"), Some("a b c"));
    assert_eq!(form.value("empty"), None, "without a value: not sent");
    assert_eq!(form.value("flag"), None);
    assert_eq!(form.value("x"), Some("1=2"));
    assert_eq!(form.value("absent"), None);
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let table: [(&[u8], InvalidForm); 9] = [
        (b"a=%", InvalidForm::Malformed),
        (b"a=%4", InvalidForm::Malformed),
        (b"a=%4g", InvalidForm::Malformed),
        (b"a=%+1", InvalidForm::Malformed),
        (b"a=%ff", InvalidForm::Malformed),
        (b"\xff=a", InvalidForm::Malformed),
        (b"a=1&a=1", InvalidForm::Repeated),
        (b"a&a=1", InvalidForm::Repeated),
        (b"scope=1&s%63ope=2", InvalidForm::Repeated),
    ];
    for (body, reason) in table {
        assert_eq!(Form::parse(body).unwrap_err(), reason, "{body:?}");
    }
}

#[test]
fn any_bytes_give_a_form_or_a_reason() {
    // All bodies of up to three bytes over the bytes that mean something to the reader.
    let bytes = [b'&', b'=', b'%', b'+', b'a', b'4', 0, 0x80];
    for a in bytes {
        for b in bytes {
            for c in bytes {
                for body in [&[a][..], &[a, b], &[a, b, c]] {
                    let _ = Form::parse(body);
                }
            }
        }
    }
}

#[test]
fn an_inactive_token_is_told_with_nothing_else() {
    let text = serde_json::to_string(&IntrospectionResponse::INACTIVE).unwrap();
    assert_eq!(text, r#"{"active":false}"#);
}
