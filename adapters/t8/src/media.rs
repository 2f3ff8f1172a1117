//! Media types: what the sender of a request accepts.

/// Whether an `Accept` header lets `media_type`, an `application` one, through (RFC 9110 12.5.1):
/// the most specific range that fits decides, and `q=0` is a no.
pub(crate) fn accepts(accept: &str, media_type: &str) -> bool {
    if accept == "*/*" || accept == media_type || accept.trim().is_empty() {
        return true;
    }
    let mut best: Option<(u8, bool)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let specificity = match parts.next().unwrap_or_default() {
            r if r.eq_ignore_ascii_case(media_type) => 2,
            r if r.eq_ignore_ascii_case("application/*") => 1,
            "*/*" => 0,
            _ => continue,
        };
        let refused = parts.any(is_weight_zero);
        if best.is_none_or(|(known, _)| known < specificity) {
            best = Some((specificity, !refused));
        }
    }
    best.is_some_and(|(_, accepted)| accepted)
}

fn is_weight_zero(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q")
            && value
                .trim()
                .parse::<f32>()
                .is_ok_and(|weight| weight <= 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_read_as_rfc_9110_says() {
        for (accept, ok) in [
            ("application/json", true),
            ("*/*", true),
            ("text/html, application/*;q=0.5", true),
            ("application/json;q=0, */*", false),
            ("application/problem+json", false),
            ("text/html", false),
            ("application/json; q=0.1", true),
        ] {
            assert_eq!(accepts(accept, "application/json"), ok, "{accept}");
        }
    }
}
