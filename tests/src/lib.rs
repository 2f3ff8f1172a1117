//! The harness of the integration tests: the real gateway as a process of its own, and clients
//! nobody here wrote (curl, openssl) to talk to it.
//!
//! All traffic stays on loopback, ports are free ones, each sandbox has a directory of its own,
//! every process is ended by its pid. Tests wait for conditions, never for time.

pub mod condition;
pub mod curl;
pub mod gateway;
pub mod openssl;
pub mod party;
pub mod process;

pub use condition::{eventually, wait_for};
pub use curl::{Answer, Curl};
pub use gateway::{Gateway, Sandbox};
pub use party::{Inbox, Party};
pub use process::Process;
