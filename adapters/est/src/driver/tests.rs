use actix_web::test::TestRequest;

use super::*;

fn request(authorization: &str) -> HttpRequest {
    TestRequest::post()
        .insert_header((AUTHORIZATION, authorization))
        .to_http_request()
}

#[test]
fn an_id_and_a_code_come_by_basic() {
    let read = |text: &str| credentials(&request(text));
    let pair = |id: &str, code: &str| Some((id.to_owned(), code.to_owned()));
    assert_eq!(read("Basic c2hvcDpjb2Rl"), pair("shop", "code"));
    assert_eq!(read("basic  c2hvcDpjOmQ="), pair("shop", "c:d"));
    for other in [
        "Bearer c2hvcDpjb2Rl",
        "Basic",
        "Basic %",
        "Basic c2hvcA==",
        "Basic /w==",
    ] {
        assert_eq!(read(other), None, "{other}");
    }
}
