use std::sync::Arc;

use super::*;
use crate::fake::FakeCse;

fn ask(service: &CoapService, method: u8, more: &[(u16, &[u8])]) -> CoapAnswer {
    let mut options: Vec<(u16, Vec<u8>)> = vec![(11, b"ics".to_vec()), (283, b"r1".to_vec())];
    options.extend(more.iter().map(|(number, value)| (*number, value.to_vec())));
    let said = CoapRequest {
        method,
        options,
        payload: Vec::new(),
    };
    let answer = service.answer(&Caller::Loopback, &said);
    futures_util::FutureExt::now_or_never(answer).expect("an answer at once")
}

#[test]
fn a_request_is_handled_and_its_answer_written() {
    let cse = Arc::new(FakeCse::new(2));
    let service = CoapService::new(Arc::clone(&cse) as _);
    let answer = ask(&service, 1, &[(279, b"Cshop")]);
    assert_eq!(answer.code, (2, 5));
    assert_eq!(answer.payload, br#"{"m2m:uri":"ics"}"#);
    assert_eq!(
        answer.options,
        [
            (12, vec![50]),
            (283, b"r1".to_vec()),
            (307, vec![0x07, 0xd0])
        ]
    );
    let [(caller, request)] = &cse.asked()[..] else {
        panic!("asked once");
    };
    assert_eq!(caller, "Loopback");
    assert_eq!(request.from.as_deref(), Some("Cshop"));
    let notified = ask(&service, 2, &[]);
    assert_eq!((notified.code, notified.payload.len()), ((2, 4), 0));
}

#[test]
fn what_cannot_be_read_is_refused_by_its_code_and_reaches_nobody() {
    let cse = Arc::new(FakeCse::new(0));
    let service = CoapService::new(Arc::clone(&cse) as _);
    for (method, more, code, rsc) in [
        (5, &[][..], (4, 5), 4005_u16),
        (1, &[(17, &[60][..])][..], (4, 6), 5207),
        (1, &[(283, &b"r2"[..])][..], (4, 0), 4000),
    ] {
        let answer = ask(&service, method, more);
        assert_eq!(answer.code, code);
        let told = (307, rsc.to_be_bytes().to_vec());
        assert!(answer.options.contains(&told), "{answer:?}");
        assert!(answer.payload.starts_with(br#"{"m2m:dbg":"#), "{answer:?}");
    }
    assert!(cse.asked().is_empty());
}
