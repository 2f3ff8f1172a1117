use super::*;

fn bearer(header: Option<&str>) -> Result<&str, Problem> {
    let authorization = header.map(str::as_bytes);
    read_bearer(&Credentials {
        peer: None,
        authorization,
        repeated: false,
    })
}

#[test]
fn the_scheme_is_compared_without_case() {
    assert_eq!(bearer(Some("bEARER abc")), Ok("abc"));
    assert_eq!(bearer(Some("Bearer  abc ")), Ok("abc"));
}

#[test]
fn other_schemes_are_no_credentials() {
    let none = Problem::from(AuthenticationFailure::NoToken);
    for header in [
        None,
        Some("Basic abc"),
        Some("Bearer"),
        Some("Bearer "),
        Some(""),
    ] {
        assert_eq!(bearer(header), Err(none.clone()), "{header:?}");
    }
}
