//! The schemes that need no configuration. Each is its own grammar, and no wider.

use crate::id::permanent::{
    find_exact_identifier, find_whole_identifier, is_anonymous, is_long_number,
};

/// Their names.
pub const BUILT_IN: [&str; 6] = ["uuid", "oid", "did", "gs1", "onem2m", "3gpp-external-id"];

/// Whether `text` is an identifier of one of them.
pub(in crate::id) fn is_built_in(text: &str) -> bool {
    let any = [
        is_uuid,
        is_oid,
        is_did,
        is_epc,
        is_digital_link,
        is_onem2m,
        is_external_id,
    ];
    any.iter().any(|has_form| has_form(text)) && find_whole_identifier(text).is_none()
}

fn strip_urn<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// RFC 9562, versions 4 and 7: those that tell neither a name nor a machine.
fn is_uuid(text: &str) -> bool {
    let bare = strip_urn(text, "urn:uuid:").unwrap_or(text);
    bare.len() == 36 && uuid::Uuid::try_parse(bare).is_ok_and(|uuid| is_anonymous(&uuid))
}

/// RFC 3061: `urn:oid:` and arcs. None is as long as the number of a subscription, or of a card;
/// one made of a UUID (2.25) is longer.
fn is_oid(text: &str) -> bool {
    let Some(arcs) = strip_urn(text, "urn:oid:") else {
        return false;
    };
    let is_arc = |arc: &str| {
        let digits = !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit());
        digits && (arc == "0" || !arc.starts_with('0')) && !is_long_number(arc)
    };
    let first = arcs.split('.').next();
    arcs.split('.').count() >= 2
        && arcs.split('.').all(is_arc)
        && matches!(first, Some("0" | "1" | "2"))
}

/// W3C DID Core 3.1: `did:method:specific`.
fn is_did(text: &str) -> bool {
    let Some((method, specific)) = text
        .strip_prefix("did:")
        .and_then(|rest| rest.split_once(':'))
    else {
        return false;
    };
    let in_method = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let in_specific = |b: u8| b.is_ascii_alphanumeric() || b"._-:%".contains(&b);
    !method.is_empty()
        && method.bytes().all(in_method)
        && specific.bytes().all(in_specific)
        && specific
            .split(':')
            .next_back()
            .is_some_and(|last| !last.is_empty())
        && !specific.split(':').any(is_long_number)
}

/// GS1 EPC tag data standard 6.3: `urn:epc:id:<kind>:` company prefix, reference, serial.
fn is_epc(text: &str) -> bool {
    let Some((kind, value)) = strip_urn(text, "urn:epc:id:").and_then(|rest| rest.split_once(':'))
    else {
        return false;
    };
    let parts = match kind {
        "sgtin" | "sgln" | "grai" | "cpi" => 3,
        "sscc" | "giai" => 2,
        _ => return false,
    };
    let is_part = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!%&'()*+,-:;=_".contains(&b))
    };
    let company = value.split('.').next().unwrap_or_default();
    let last = value.split('.').next_back().unwrap_or_default();
    value.split('.').count() == parts
        && value.split('.').all(is_part)
        && (6..=12).contains(&company.len())
        && company.bytes().all(|b| b.is_ascii_digit())
        && !last.is_empty()
        && (kind == "sscc" || !is_long_number(last))
}

/// GS1 digital link 1.2: a web address of a key with its check digit, and qualifiers.
fn is_digital_link(text: &str) -> bool {
    let Some((host, path)) = text
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let mut parts = path.split('/');
    let key = match (parts.next(), parts.next()) {
        (Some("01"), Some(value)) => value.len() == 14 && has_check_digit(value),
        (Some("00"), Some(value)) => value.len() == 18 && has_check_digit(value),
        (Some("8003" | "8004"), Some(value)) => is_qualifier(value),
        _ => false,
    };
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b".-:".contains(&b);
    let qualified = loop {
        match (parts.next(), parts.next()) {
            (None, _) => break true,
            (Some("10" | "21" | "22" | "235"), Some(value)) if is_qualifier(value) => {}
            _ => break false,
        }
    };
    key && qualified && host.contains('.') && host.bytes().all(is_host)
}

fn is_qualifier(value: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    (1..=30).contains(&value.len()) && value.bytes().all(allowed) && !is_long_number(value)
}

/// GS1 general specifications 7.9: weights 3 and 1 from the right.
fn has_check_digit(value: &str) -> bool {
    let digits = value.bytes().rev().enumerate();
    let sum = digits.fold(0_u32, |sum, (place, digit)| {
        let weight = if place % 2 == 0 { 1 } else { 3 };
        let digit = u32::from(digit.wrapping_sub(b'0'));
        sum.saturating_add(digit.saturating_mul(weight))
    });
    value.bytes().all(|b| b.is_ascii_digit()) && sum % 10 == 0
}

/// oneM2M TS-0001 7.2: an AE-ID (`C...` or `S...`) behind its CSE-ID, with or without the M2M-SP-ID.
fn is_onem2m(text: &str) -> bool {
    let Some(path) = text.strip_prefix('/') else {
        return false;
    };
    let is_part = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        !part.is_empty() && part.bytes().all(allowed) && !is_long_number(part)
    };
    let is_stem = |part: &str| {
        let stem = part.strip_prefix(['C', 'S']);
        stem.is_some_and(|stem| !stem.is_empty() && !is_long_number(stem))
    };
    let (parts, wanted) = match path.strip_prefix('/') {
        Some(absolute) => (absolute, 3),
        None => (path, 2),
    };
    parts.split('/').count() == wanted
        && parts.split('/').all(is_part)
        && parts.split('/').next_back().is_some_and(is_stem)
}

/// TS 29.571 5.3.2: `extid-` and an external identifier. The bare `local@domain` cannot be told from
/// a mail address: an operator registers it with the domains it gives out.
fn is_external_id(text: &str) -> bool {
    let Some((local, domain)) = text
        .strip_prefix("extid-")
        .and_then(|rest| rest.split_once('@'))
    else {
        return false;
    };
    let is_label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(allowed)
    };
    !local.is_empty()
        && find_exact_identifier(local).is_none()
        && domain.split('.').count() >= 2
        && domain.split('.').all(is_label)
}
