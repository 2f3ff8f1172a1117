//! What a handler takes out of a request: caller, body, query. Strict, with limits.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use ics_http::{Terms, read_body};
use serde::de::DeserializeOwned;

use crate::api::Caller;
use crate::error::Refusal;
use crate::wire::parse_body;

const JSON: Terms = Terms {
    media_types: &["application/json"],
    utf8_only: false,
    // 256 service prefixes of 1,024 bytes fit.
    max_size: 512 << 10,
    length_required: false,
};

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
        let payload = web::Payload::from_request(request, payload).into_inner();
        let request = request.clone();
        Box::pin(async move {
            let payload = payload.map_err(|_| Refusal::Syntax)?;
            let bytes = read_body(&request, payload, &JSON).await?;
            Ok(Self(parse_body(&bytes)?))
        })
    }
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
