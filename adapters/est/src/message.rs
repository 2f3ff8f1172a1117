//! What stands in the bodies of EST: base64 without a frame (RFC 7030 4.1.3, 4.2), a PKCS#10 request in,
//! certificates in a PKCS#7 without a signature out (RFC 5272 4.1: "certs-only"). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest request that is read, as text.
pub(crate) const MAX_BODY: usize = 16 * 1024;
/// Characters of a line (RFC 2045 6.8).
const LINE: usize = 64;

/// A request as PEM. Any white space is passed over; a request in PEM, as `openssl req` writes it, is taken
/// as it is.
pub(crate) fn read_request(body: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(body).ok()?;
    if text.trim_start().starts_with("-----BEGIN ") {
        return Some(text.to_owned());
    }
    let packed: String = text
        .split_ascii_whitespace()
        .flat_map(|part| part.chars())
        .collect();
    let der = STANDARD.decode(&packed).ok()?;
    (!der.is_empty()).then(|| frame("CERTIFICATE REQUEST", &der))
}

/// The bytes between the frames of each certificate.
pub(crate) fn read_chain(pem: &str) -> Option<Vec<Vec<u8>>> {
    let mut certificates = Vec::new();
    for block in pem.split("-----BEGIN CERTIFICATE-----").skip(1) {
        let (inner, _) = block.split_once("-----END CERTIFICATE-----")?;
        let packed: String = inner
            .split_ascii_whitespace()
            .flat_map(|part| part.chars())
            .collect();
        certificates.push(STANDARD.decode(packed).ok()?);
    }
    Some(certificates)
}

/// Certificates, DER, in a PKCS#7 without a signature, in base64: one line, for strongSwan reads no more
/// (RFC 8951 3.1 lets a sender leave out all white space).
pub(crate) fn write_certificates(certificates: &[Vec<u8>]) -> String {
    STANDARD.encode(signed_data(certificates))
}

/// `SignedData` without signers (RFC 5652 5.1, RFC 8951 3.3).
fn signed_data(certificates: &[Vec<u8>]) -> Vec<u8> {
    const SIGNED_DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    const DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    const VERSION_1: &[u8] = &[0x02, 1, 1];
    const EMPTY_SET: &[u8] = &[0x31, 0];
    let certificates = tagged(0xa0, &certificates.concat());
    let content = tagged(0x30, DATA);
    let signed = [VERSION_1, EMPTY_SET, &content, &certificates, EMPTY_SET].concat();
    let signed = tagged(0xa0, &tagged(0x30, &signed));
    tagged(0x30, &[SIGNED_DATA, &signed].concat())
}

/// A value under a tag, by a definite length (X.690 8.1.3, 10.1).
fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let length = length.get(zeros..).unwrap_or_default();
    let mut out = vec![tag];
    match (value.len(), u8::try_from(length.len())) {
        (0..=0x7f, _) => out.extend(length.first().or(Some(&0))),
        (_, count) => {
            out.push(0x80 | count.unwrap_or(0));
            out.extend(length);
        }
    }
    out.extend(value);
    out
}

fn frame(label: &str, der: &[u8]) -> String {
    let text = in_lines(&STANDARD.encode(der));
    format!("-----BEGIN {label}-----\n{text}-----END {label}-----\n")
}

fn in_lines(base64: &str) -> String {
    let mut out = String::with_capacity(
        base64
            .len()
            .saturating_add(base64.len() / LINE)
            .saturating_add(1),
    );
    for (n, letter) in base64.chars().enumerate() {
        if n > 0 && n % LINE == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        assert_eq!(tagged(4, &[]), [4, 0]);
        assert_eq!(tagged(4, &[7; 0x7f])[..2], [4, 0x7f]);
        assert_eq!(tagged(4, &[7; 0x80])[..3], [4, 0x81, 0x80]);
        assert_eq!(tagged(4, &[7; 0x1234])[..4], [4, 0x82, 0x12, 0x34]);
    }

    #[test]
    fn a_request_is_read_with_any_white_space_and_in_pem() {
        let pem = read_request(b" MAo\r\nGCCq \n\t GSM49\nBAMC").unwrap();
        assert_eq!(
            pem,
            "-----BEGIN CERTIFICATE REQUEST-----\nMAoGCCqGSM49BAMC\n-----END CERTIFICATE REQUEST-----\n"
        );
        assert_eq!(read_request(pem.as_bytes()), Some(pem));
        for bad in [&b""[..], b"  ", b"not base64!", b"MAo", b"\xff"] {
            assert_eq!(read_request(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_a_file_holds_is_its_certificates() {
        let file = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n\
                    text\n-----BEGIN CERTIFICATE-----\nBA\nUG\n-----END CERTIFICATE-----\n";
        assert_eq!(read_chain(file).unwrap(), [vec![1, 2, 3], vec![4, 5, 6]]);
        assert_eq!(read_chain("-----BEGIN CERTIFICATE-----\nAQID"), None);
        assert_eq!(read_chain("").unwrap(), Vec::<Vec<u8>>::new());
    }
}
