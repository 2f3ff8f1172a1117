//! The OAuth 2.0 authorization server of the T8 listener (TS 33.187 5.5.3, requirement rows T13,
//! Y19, Y31-38): who may use which reference point, proved by certificate and token together.
//!
//! | document | what | where |
//! |---|---|---|
//! | RFC 6749 4.4 | client credentials, run by oxide-auth's engine | `grant` |
//! | RFC 6749 4.1, RFC 7636 | codes that a user's consent yields | `authorization` |
//! | RFC 9126, RFC 9396 | what is asked, pushed before its user comes | `pushed` |
//! | RFC 8705 | client authentication by certificate, tokens bound to it | [`AuthorizationServer`] |
//! | RFC 7009, RFC 7662 | revocation, introspection | `server` |
//! | RFC 8414 | metadata | `metadata` |
//!
//! Tokens are 256 random bits, known here by their SHA-256 alone, and live in memory: after a
//! restart every token is unknown, the resource answers 401, and clients fetch a new one, as they
//! do when one expires. Nothing is ever issued that is not bound to a certificate, and there are
//! no refresh tokens. A token issued for a code makes one mapping on the consent it was given for.
//!
//! [`configure`] mounts the endpoints; [`openapi()`] describes them.

#![forbid(unsafe_code)]

mod authorization;
mod desk;
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
mod pushed;
mod server;
mod token;
mod token_table;
mod wire;

pub use authorization::Authorization;
pub use desk::{ConsentDesk, NotOffered};
pub use driver::configure;
pub use openapi::openapi;
pub use server::{AuthorizationServer, InvalidSettings, Ports, Settings};
pub use token::TokenHash;
pub use token_table::{MemoryTokenTable, TokenGrant, TokenTable};
