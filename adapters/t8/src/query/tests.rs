use super::*;

#[test]
fn a_page_is_read_and_told_back() {
    let cursor = Cursor(vec![1, 2, 250]);
    let page = PageQuery::parse("limit=7&status=PENDING", Some("status")).unwrap();
    assert_eq!((page.limit, page.status.as_deref()), (7, Some("PENDING")));
    let next = PageQuery::parse(&page.next("status", &cursor), Some("status")).unwrap();
    assert_eq!(
        next,
        PageQuery {
            after: Some(cursor),
            ..page
        }
    );
    assert_eq!(
        PageQuery::parse("", Some("status")).unwrap().limit,
        DEFAULT_LIMIT
    );
}

#[test]
fn names_are_compared_after_decoding() {
    assert!(PageQuery::parse("limit=1&%6Cimit=1", Some("status")).is_err());
    assert!(PageQuery::parse("%6Cimit=1", Some("status")).is_ok());
}

#[test]
fn what_is_not_known_or_not_readable_is_refused() {
    for query in [
        "x",
        "limit",
        "limit=+1",
        "limit=01x",
        "limit=%",
        "limit=%f",
        "page-token=",
        "a=%ff",
    ] {
        assert!(PageQuery::parse(query, Some("status")).is_err(), "{query}");
    }
    assert!(refuse_any("a").is_err());
    assert!(refuse_any("").is_ok());
}
