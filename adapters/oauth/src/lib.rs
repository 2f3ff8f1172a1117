//! The OAuth 2.0 authorization server of the T8 listener (TS 33.187 5.5.3, requirement rows T13,
//! Y19, Y31-38): who may use which reference point, proved by certificate and token together.
//!
//! | document | what | where |
//! |---|---|---|
//! | RFC 6749 4.4 | client credentials, run by oxide-auth's engine | `grant` |
//! | RFC 8705 | client authentication by certificate, tokens bound to it | [`AuthorizationServer`] |
//! | RFC 7009, RFC 7662 | revocation, introspection | `server` |
//! | RFC 8414 | metadata | `metadata` |
//!
//! Tokens are 256 random bits, known here by their SHA-256 alone, and live in memory: after a
//! restart every token is unknown, the resource answers 401, and clients fetch a new one, as they
//! do when one expires. Nothing is ever issued that is not bound to a certificate, and there are
//! no refresh tokens.
//!
//! [`configure`] mounts the four endpoints; [`openapi()`] describes them.

#![forbid(unsafe_code)]

mod driver;
mod error;
#[cfg(test)]
mod fixture;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod metadata;
mod openapi;
mod server;
mod token;
mod token_table;
mod wire;

pub use driver::configure;
pub use openapi::openapi;
pub use server::{AuthorizationServer, InvalidSettings, Ports, Settings};
pub use token::TokenHash;
pub use token_table::{MemoryTokenTable, TokenGrant, TokenTable};
