//! Media types: what a request says its body is (RFC 9110 8.3).

/// Whether `content_type` is one of `taken`.
pub(crate) fn is_taken(content_type: &str, taken: &[&str]) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    taken.iter().any(|t| essence.eq_ignore_ascii_case(t))
}

/// Whether `content_type` names no other charset than UTF-8.
pub(crate) fn is_utf8(content_type: &str) -> bool {
    let mut parameters = content_type.split(';').skip(1);
    parameters.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_its_essence_whatever_its_case_and_parameters() {
        let json = &["application/merge-patch+json", "application/json"];
        for content_type in ["application/json", "Application/JSON ; x=y;charset=utf-16"] {
            assert!(is_taken(content_type, json), "{content_type}");
        }
        for content_type in ["", ";", "text/plain", "application/jsonp", "application"] {
            assert!(!is_taken(content_type, json), "{content_type}");
        }
    }

    #[test]
    fn utf_8_is_named_or_nothing_is() {
        for content_type in ["a/b", "a/b; charset=\"UTF-8\"", "a/b; x=y; Charset = utf-8"] {
            assert!(is_utf8(content_type), "{content_type}");
        }
        for content_type in ["a/b; charset=utf-16", "a/b; charset=utf-8; charset=latin1"] {
            assert!(!is_utf8(content_type), "{content_type}");
        }
    }
}
