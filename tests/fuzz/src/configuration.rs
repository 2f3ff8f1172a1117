//! Literals of the configuration file.
//!
//! The gateway is a binary and has no library, so its two files of literals are compiled here too.

use serde::de::value::{Error, StrDeserializer};

use literal::Written;
use namespace::Namespace;

mod fault {
    //! Stands for `config::fault`: literals only make faults, and who reads them is not here.

    pub(super) struct Fault;

    impl Fault {
        pub(super) fn new(
            _: impl Into<String>,
            _: impl Into<String>,
            _: impl Into<String>,
        ) -> Self {
            Self
        }
    }
}

#[allow(dead_code, unreachable_pub, reason = "the gateway uses all of it")]
#[path = "../../../gateway/src/config/literal.rs"]
mod literal;

#[allow(dead_code, unreachable_pub, reason = "the gateway uses all of it")]
#[path = "../../../gateway/src/tls/namespace.rs"]
mod namespace;

fn from(text: &str) -> StrDeserializer<'_, Error> {
    StrDeserializer::new(text)
}

/// Durations, sizes, origins, namespaces: what is read is written and reads the same.
pub(super) fn literal(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    if let Ok(duration) = literal::duration(from(text)) {
        let written = Written(duration).to_string();
        assert_eq!(literal::duration(from(&written)), Ok(duration), "{text}");
    }
    if let Ok(size) = literal::byte_size(from(text)) {
        let written = format!("{size}B");
        assert_eq!(literal::byte_size(from(&written)), Ok(size), "{text}");
    }
    if let Ok(origin) = literal::origin(from(text)) {
        assert_eq!(literal::origin(from(origin.as_str())), Ok(origin));
    }
    if let Ok(namespace) = text.parse::<Namespace>() {
        assert_eq!(namespace.to_string(), text);
    }
}
