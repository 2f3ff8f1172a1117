use core::task::Poll;
use std::cell::Cell;
use std::rc::Rc;

use actix_web::FromRequest as _;
use actix_web::dev;
use actix_web::error::PayloadError;
use actix_web::test::TestRequest;
use futures_util::{Stream, StreamExt as _, stream};

use super::*;

const TERMS: Terms = Terms {
    media_types: &["application/json"],
    utf8_only: true,
    max_size: 8,
    length_required: false,
};
const LENGTH_REQUIRED: Terms = Terms {
    length_required: true,
    ..TERMS
};
const JSON: (&str, &str) = ("Content-Type", "application/json");
const CHUNKED: (&str, &str) = ("Transfer-Encoding", "chunked");

fn request(headers: &[(&'static str, &'static str)]) -> HttpRequest {
    let request = TestRequest::post();
    let all = headers.iter().copied();
    all.fold(request, TestRequest::append_header)
        .to_http_request()
}

type Chunk = Result<Bytes, PayloadError>;

fn chunk(text: &'static str) -> Chunk {
    Ok(Bytes::from_static(text.as_bytes()))
}

async fn payload(request: &HttpRequest, chunks: impl Stream<Item = Chunk> + 'static) -> Payload {
    let mut payload: dev::Payload = dev::Payload::Stream {
        payload: Box::pin(chunks),
    };
    Payload::from_request(request, &mut payload).await.unwrap()
}

async fn read(
    terms: &Terms,
    headers: &[(&'static str, &'static str)],
    chunks: impl Stream<Item = Chunk> + 'static,
) -> Result<Bytes, BodyRefusal> {
    let request = request(headers);
    let payload = payload(&request, chunks).await;
    read_body(&request, payload, terms).await
}

/// What the head of a request alone is refused for: its body is never asked for.
async fn refused_unread(
    terms: &Terms,
    headers: &[(&'static str, &'static str)],
) -> Result<Bytes, BodyRefusal> {
    let asked = Rc::new(Cell::new(false));
    let tell = asked.clone();
    let chunks = stream::poll_fn(move |_| {
        tell.set(true);
        Poll::Ready(None)
    });
    let refusal = read(terms, headers, chunks).await;
    assert!(!asked.get(), "{headers:?} was read");
    refusal
}

#[actix_web::test]
async fn a_body_of_several_parts_is_read_up_to_the_limit() {
    let parts = || stream::iter([chunk("{\"a\""), chunk(":12}")]);
    for headers in [
        &[JSON, ("Content-Length", "8")][..],
        &[JSON, CHUNKED],
        &[JSON, CHUNKED, ("Content-Encoding", "Identity")],
        &[
            ("Content-Type", "Application/JSON; charset=\"UTF-8\""),
            CHUNKED,
        ],
    ] {
        for terms in [TERMS, LENGTH_REQUIRED] {
            let body = read(&terms, headers, parts()).await;
            assert_eq!(body.unwrap(), "{\"a\":12}", "{headers:?}");
        }
    }
    // Nobody asks for a length where none is required.
    assert_eq!(read(&TERMS, &[JSON], stream::empty()).await.unwrap(), "");
}

#[actix_web::test]
async fn a_body_over_the_limit_is_refused_declared_or_not() {
    let declared = [JSON, ("Content-Length", "9")];
    for terms in [TERMS, LENGTH_REQUIRED] {
        let refusal = refused_unread(&terms, &declared).await;
        assert_eq!(refusal, Err(BodyRefusal::TooLarge));
        let parts = stream::iter([chunk("12345678"), chunk("9")]);
        // What never ends is given up once it is over.
        let refusal = read(&terms, &[JSON, CHUNKED], parts.chain(stream::pending())).await;
        assert_eq!(refusal, Err(BodyRefusal::TooLarge));
    }
}

#[actix_web::test]
async fn other_types_charsets_and_codings_are_refused_unread() {
    for headers in [
        &[][..],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/json; charset=utf-16")],
        &[("Content-Type", "application/json\u{fc}")],
        &[JSON, ("Content-Encoding", "gzip")],
        &[JSON, ("Content-Encoding", "\u{fc}")],
    ] {
        let refusal = refused_unread(&TERMS, headers).await;
        assert_eq!(refusal, Err(BodyRefusal::MediaType), "{headers:?}");
    }
}

#[actix_web::test]
async fn a_charset_is_overlooked_where_the_terms_do_not_name_one() {
    let terms = Terms {
        utf8_only: false,
        ..TERMS
    };
    let latin = [("Content-Type", "application/json; charset=ISO-8859-1")];
    let body = read(&terms, &latin, stream::iter([chunk("{}")])).await;
    assert_eq!(body.unwrap(), "{}");
}

#[actix_web::test]
async fn length_goes_before_type_where_it_is_required_and_after_it_elsewhere() {
    let text = ("Content-Type", "text/plain");
    let large = [text, ("Content-Length", "9")];
    for (terms, headers, expected) in [
        (LENGTH_REQUIRED, &[text][..], BodyRefusal::LengthRequired),
        (LENGTH_REQUIRED, &large, BodyRefusal::TooLarge),
        (LENGTH_REQUIRED, &[text, CHUNKED], BodyRefusal::MediaType),
        (TERMS, &large, BodyRefusal::MediaType),
        (TERMS, &[text], BodyRefusal::MediaType),
    ] {
        let refusal = refused_unread(&terms, headers).await;
        assert_eq!(refusal, Err(expected), "{headers:?}");
    }
}

#[actix_web::test]
async fn a_body_that_breaks_off_is_broken() {
    let parts = stream::iter([chunk("{"), Err(PayloadError::Incomplete(None))]);
    let refusal = read(&TERMS, &[JSON, CHUNKED], parts).await;
    assert_eq!(refusal, Err(BodyRefusal::Broken));
}

#[actix_web::test]
async fn a_body_that_stalls_is_too_slow() {
    let request = request(&[JSON, CHUNKED]);
    let parts = stream::iter([chunk("{")]).chain(stream::pending());
    let payload = payload(&request, parts).await;
    let refusal = read_within(Duration::ZERO, &request, payload, &TERMS).await;
    assert_eq!(refusal, Err(BodyRefusal::TooSlow));
}

#[actix_web::test]
async fn a_body_that_trickles_has_one_deadline_for_all_of_it() {
    let request = request(&[JSON, CHUNKED]);
    // A byte whenever it is asked again: no single wait is long, and there is always another.
    let mut comes = false;
    let parts = stream::poll_fn(move |cx| {
        comes = !comes;
        if comes {
            return Poll::Ready(Some(chunk("1")));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let payload = payload(&request, parts).await;
    let endless = Terms {
        max_size: usize::MAX,
        ..TERMS
    };
    let refusal = read_within(Duration::from_millis(20), &request, payload, &endless).await;
    assert_eq!(refusal, Err(BodyRefusal::TooSlow));
}
