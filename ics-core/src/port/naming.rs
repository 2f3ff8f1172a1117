//! What resources are called outside.

use alloc::string::String;

use crate::outbox::{Addressee, Subject};

/// Names rows and subscriptions as the API names them that their parties use. What is named here
/// can be read back there: whoever is told of a row finds it under this URI.
pub trait ResourceNames: Send + Sync {
    /// The absolute URI of `subject` as `addressee` knows it.
    fn uri(&self, addressee: &Addressee, subject: Subject) -> String;
}
