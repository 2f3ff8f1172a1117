//! Passwords that people chose, stretched: Argon2id (RFC 9106) with the second recommended set of
//! OWASP, 19 MiB of memory, two passes, one lane. A change of these needs a new kind of credential:
//! what is stored was made with them.

use argon2::{Algorithm, Argon2, Params, Version};
use ics_core::port::HasherUnavailable;

/// KiB.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Argon2id of a password under a salt. Takes some 20 ms of one core, and 19 MiB while it runs.
///
/// # Errors
/// [`HasherUnavailable`] when the password is longer than Argon2 takes (4 GiB).
pub fn stretch_password(password: &str, salt: [u8; 32]) -> Result<[u8; 32], HasherUnavailable> {
    let mut hash = [0; 32];
    let params = Params::new(MEMORY, PASSES, LANES, Some(hash.len()));
    let params = params.map_err(|_| HasherUnavailable)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed = argon.hash_password_into(password.as_bytes(), &salt, &mut hash);
    hashed.map_err(|_| HasherUnavailable)?;
    Ok(hash)
}

#[cfg(test)]
mod tests;
