//! PEM (RFC 7468) in and out, without leaving copies of a key behind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Why a key, or an authority's certificate, cannot be used. Never carries any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyMaterial {
    /// Not PEM: a block without end, or characters that are not base64.
    #[error("not a readable PEM file")]
    Pem,
    /// No `CERTIFICATE` block, or one that is no X.509 certificate.
    #[error("no readable certificate")]
    NoCertificate,
    /// No unencrypted private key of a kind that is used here.
    #[error("no unencrypted private key of an allowed kind")]
    NoKey,
    /// No public key of a kind that is used here.
    #[error("no public key on P-256 or Ed25519: `openssl pkey -pubout` writes one")]
    NoPublicKey,
    /// The certificate may not sign others: CA:TRUE and keyCertSign are needed.
    #[error("certificate is not one of an authority")]
    NotAuthority,
    /// The private key is not the certificate's.
    #[error("private key does not belong to the certificate")]
    KeyMismatch,
}

/// One block: what its label says it is, and its bytes.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// All blocks of `text`, in order. What stands between blocks is a comment.
pub(crate) fn read_blocks(text: &str) -> Result<Vec<Block>, InvalidKeyMaterial> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = label_of(line, "-----BEGIN ") else {
            continue;
        };
        let mut encoded = Zeroizing::new(Vec::with_capacity(text.len()));
        loop {
            let line = lines.next().ok_or(InvalidKeyMaterial::Pem)?;
            match label_of(line, "-----END ") {
                Some(end) if end == label => break,
                Some(_) => return Err(InvalidKeyMaterial::Pem),
                None => encoded.extend(line.bytes().filter(|b| !b.is_ascii_whitespace())),
            }
        }
        let der = STANDARD
            .decode(&*encoded)
            .map_err(|_| InvalidKeyMaterial::Pem)?;
        blocks.push(Block {
            label: label.into(),
            der: Zeroizing::new(der),
        });
    }
    Ok(blocks)
}

fn label_of<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}

/// One block with lines of 64 characters.
pub(crate) fn write_block(label: &str, der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    // Room for all of it at once: a string that grows leaves its former self in memory.
    let mut text = Zeroizing::new(String::with_capacity(der.len() * 2 + 2 * label.len() + 64));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----");
    for (n, character) in encoded.chars().enumerate() {
        if n % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests;
