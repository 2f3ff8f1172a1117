//! What an adapter leaves for the decision log beside its answer.

/// The code of a refusal, such as `MAPPING_NOT_FOUND`: upper-case letters and underscores, fixed in
/// the code, nothing a caller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalCause(pub &'static str);
