//! For `tests/fuzz` alone, behind the feature `fuzzing`.

/// Whether `content_type` is one of `taken`.
#[must_use]
pub fn is_taken(content_type: &str, taken: &[&str]) -> bool {
    crate::media_type::is_taken(content_type, taken)
}

/// Whether `content_type` names no other charset than UTF-8.
#[must_use]
pub fn is_utf8(content_type: &str) -> bool {
    crate::media_type::is_utf8(content_type)
}
