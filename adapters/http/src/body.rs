//! One body, read under terms: declared before a byte of it is read, bounded in size and in time.

use core::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodyStream, to_bytes_limited};
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, TRANSFER_ENCODING,
};
use actix_web::rt::time::timeout;
use actix_web::web::{Bytes, Payload};

use crate::media_type;

/// How long a body may take to come, from its first byte to its last: 10 s. One deadline for all
/// of it, so that a sender of single bytes gains nothing.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// What a body must be to be read. A content coding other than `identity` is never taken.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The media types taken, in lower case, without parameters.
    pub media_types: &'static [&'static str],
    /// Whether a `charset` parameter that names another than UTF-8 is refused.
    pub utf8_only: bool,
    /// The largest size, in bytes.
    pub max_size: usize,
    /// Whether the request must say that it has a body. If so, length is looked at before type.
    pub length_required: bool,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefusal {
    /// Another media type, charset or content coding than the terms allow.
    #[error("media type or content coding not supported")]
    MediaType,
    /// More bytes than the terms allow, declared or come.
    #[error("body too large")]
    TooLarge,
    /// Neither a length nor a transfer coding, where the terms want one.
    #[error("length required")]
    LengthRequired,
    /// Not whole within [`DEADLINE`].
    #[error("body too slow")]
    TooSlow,
    /// The connection or the transfer coding broke.
    #[error("body broken")]
    Broken,
}

/// Reads the body of `request`, which is `payload`, under `terms`.
///
/// # Errors
/// [`BodyRefusal`], of several the first in this order: [`LengthRequired`] (RFC 9110 15.5.12) and
/// a declared length that is [`TooLarge`] where a length is required; [`MediaType`]; a declared
/// length that is too large elsewhere; then what happens while it is read.
///
/// [`LengthRequired`]: BodyRefusal::LengthRequired
/// [`TooLarge`]: BodyRefusal::TooLarge
/// [`MediaType`]: BodyRefusal::MediaType
pub async fn read_body(
    request: &HttpRequest,
    payload: Payload,
    terms: &Terms,
) -> Result<Bytes, BodyRefusal> {
    read_within(DEADLINE, request, payload, terms).await
}

pub(crate) async fn read_within(
    deadline: Duration,
    request: &HttpRequest,
    mut payload: Payload,
    terms: &Terms,
) -> Result<Bytes, BodyRefusal> {
    terms.check(request.headers())?;
    let body = to_bytes_limited(BodyStream::new(&mut payload), terms.max_size);
    match timeout(deadline, body).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(BodyRefusal::Broken),
        Ok(Err(_)) => Err(BodyRefusal::TooLarge),
        Err(_) => Err(BodyRefusal::TooSlow),
    }
}

impl Terms {
    /// What the head of a request tells already.
    fn check(&self, headers: &HeaderMap) -> Result<(), BodyRefusal> {
        let length = text(headers, &CONTENT_LENGTH);
        if self.length_required {
            if length.is_none() && !headers.contains_key(TRANSFER_ENCODING) {
                return Err(BodyRefusal::LengthRequired);
            }
            self.check_size(length)?;
        }
        let content_type = text(headers, &CONTENT_TYPE).unwrap_or_default();
        let coding = text(headers, &CONTENT_ENCODING);
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
            || !media_type::is_taken(content_type, self.media_types)
            || (self.utf8_only && !media_type::is_utf8(content_type))
        {
            return Err(BodyRefusal::MediaType);
        }
        self.check_size(length)
    }

    fn check_size(&self, length: Option<&str>) -> Result<(), BodyRefusal> {
        let declared = length.and_then(|text| text.parse::<u64>().ok());
        match declared {
            Some(size) if size > self.max_size as u64 => Err(BodyRefusal::TooLarge),
            _ => Ok(()),
        }
    }
}

/// A header's value; one that is no text is `?`, which nothing here takes.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests;
