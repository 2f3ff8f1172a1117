//! What a handler takes out of a request: caller, body, query. Strict, with limits.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde::de::DeserializeOwned;

use crate::api::Caller;
use crate::error::Refusal;
use crate::wire::parse_body;

/// The largest body read: 256 service prefixes of 1,024 bytes fit.
const MAX_BODY: usize = 512 << 10;

impl FromRequest for Caller {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            request
                .extensions()
                .get::<Self>()
                .cloned()
                .ok_or(Refusal::NoCertificate),
        )
    }
}

/// A JSON body.
pub(crate) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let payload = web::Payload::from_request(request, payload).into_inner();
        Box::pin(async move {
            if !is_json {
                return Err(Refusal::MediaType);
            }
            let payload = payload.map_err(|_| Refusal::Syntax)?;
            let bytes = payload.to_bytes_limited(MAX_BODY).await;
            let bytes = bytes
                .map_err(|_| Refusal::BodyTooLarge)?
                .map_err(|_| Refusal::Syntax)?;
            Ok(Self(parse_body(&bytes)?))
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let header = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or("?"))
    };
    let essence = header(CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && header(CONTENT_ENCODING).is_none_or(|coding| coding.eq_ignore_ascii_case("identity"))
}

/// The parameters of a query.
pub(crate) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let params = web::Query::<T>::from_query(request.query_string());
        ready(params.map(|params| Self(params.into_inner())).map_err(|_| {
            Refusal::incorrect("query", "has an unknown, doubled or malformed parameter")
        }))
    }
}
